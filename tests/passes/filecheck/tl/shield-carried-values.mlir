// RUN: helion-opt %s -p shield-carried-values | filecheck %s

// Two values that begin as one: the second gets an object of its own. Constants print as one each.
tl.func @shifts attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<f32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %x = tl.load %out[%c0] : !tl.ptr<f32>[i32] -> f32
  %a, %b, %k, %l = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %x, %k = %c0, %l = %c0) -> (f32, f32, i32, i32) : i32 {
    %next = arith.addf %a, %x : f32
    %more = arith.addi %k, %l : i32
    scf.yield %b, %next, %l, %more : f32, f32, i32, i32
  }
  tl.store %a, %out[%k] : f32, !tl.ptr<f32>[i32]
  tl.return
} grid {
^bb0(%out: !tl.ptr<f32>, %n: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK-LABEL: tl.func @shifts
// CHECK:       %x = tl.load
// CHECK-NEXT:  [[TRUE:%.*]] = arith.constant true
// CHECK-NEXT:  [[OTHER:%.*]] = value.select [[TRUE]], %x, %x
// CHECK-NEXT:  scf.for {{.*}} iter_args({{.*}} = %x, {{.*}} = [[OTHER]], {{.*}} = %c0, {{.*}} = %c0)

// Values that begin apart stay as they are.
tl.func @apart attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<f32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %x = tl.load %out[%c0] : !tl.ptr<f32>[i32] -> f32
  %y = tl.load %out[%c1] : !tl.ptr<f32>[i32] -> f32
  %a, %b = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %y) -> (f32, f32) : i32 {
    scf.yield %b, %a : f32, f32
  }
  tl.store %a, %out[%c0] : f32, !tl.ptr<f32>[i32]
  tl.return
} grid {
^bb0(%out: !tl.ptr<f32>, %n: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK-LABEL: tl.func @apart
// CHECK-NOT:   value.select
// CHECK:       tl.return
