// RUN: not helion-opt %s --split-input-file -p prepare-for-print 2>&1 | filecheck %s
// RUN: not helion-opt %s --split-input-file -t triton 2>&1 | filecheck %s --check-prefix PRINT

// CHECK: arith.cmpf with predicate 8 has no Triton spelling
// PRINT: must go through prepare-for-print
tl.func @unordered attributes {arg_names = ["x"], arg_exprs = ["x"], constexprs = {}, host = "", options = {}} {
^bb0(%x: f32):
  %id = tl.program_id #builtin.int<0>
  %equal = arith.cmpf ueq, %x, %x : f32
  tl.return
} grid {
^bb0(%x: f32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}
