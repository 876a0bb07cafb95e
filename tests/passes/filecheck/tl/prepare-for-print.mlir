// RUN: helion-opt %s -p prepare-for-print | filecheck %s
// RUN: helion-opt %s -p prepare-for-print | helion-opt -t "triton{comments=false}" | filecheck %s --check-prefix PRINT

// A swap needs one parallel copy; an accumulator needs none.
tl.func @loops attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<i32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %a, %b, %acc = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c0, %b = %c1, %acc = %n) -> (i32, i32, i32) : i32 {
    %next = arith.addi %acc, %a : i32
    scf.yield %b, %a, %next : i32, i32, i32
  }
  %sum = arith.addi %a, %acc : i32
  tl.store %sum, %out[%b] : i32, !tl.ptr<i32>[i32]
  tl.return
} grid {
^bb0(%out: !tl.ptr<i32>, %n: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// The arms of a branch assign the same variable, which is the loop's: no else arm is left.
tl.func @branches attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<i32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %acc = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %c0) -> (i32) : i32 {
    %late = arith.cmpi sgt, %i, %c1 : i32
    %next = scf.if %late -> (i32) {
      %more = arith.addi %acc, %i : i32
      scf.yield %more : i32
    } else {
      scf.yield %acc : i32
    }
    scf.yield %next : i32
  }
  tl.store %acc, %out[%c0] : i32, !tl.ptr<i32>[i32]
  tl.return
} grid {
^bb0(%out: !tl.ptr<i32>, %n: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// A condition of expressions stays; one that loads is computed before the loop and at the end of its body.
tl.func @whiles attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<i32>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %count = scf.while (%count = %c0) : (i32) -> i32 {
    %twice = arith.addi %count, %count : i32
    %more = arith.cmpi slt, %twice, %n : i32
    scf.condition(%more) %count : i32
  } do {
  ^bb1(%count: i32):
    %next = arith.addi %count, %c1 : i32
    scf.yield %next : i32
  }
  %at = scf.while (%at = %count) : (i32) -> i32 {
    %link = tl.load %out[%at] : !tl.ptr<i32>[i32] -> i32
    %more = arith.cmpi ne, %link, %c0 : i32
    scf.condition(%more) %link : i32
  } do {
  ^bb1(%link: i32):
    scf.yield %link : i32
  }
  tl.store %at, %out[%c0] : i32, !tl.ptr<i32>[i32]
  tl.return
} grid {
^bb0(%out: !tl.ptr<i32>, %n: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// What Triton broadcasts by itself does not print; what it would not, does. A bare constant takes the type of what it
// meets; where it meets nothing, it is typed.
tl.func @operands attributes {arg_names = ["x", "wide"], arg_exprs = ["x", "wide"], constexprs = {_N = #builtin.int<8>}, host = "", options = {}} {
^bb0(%x: !tl.ptr<f64>, %wide: i64):
  %rows = tl.arange : tensor<16xi32>
  %cols = tl.arange : tensor<8xi32>
  %r = value.expand_dims %rows {axis = #builtin.int<1>} : tensor<16xi32> -> tensor<16x1xi32>
  %c = value.expand_dims %cols {axis = #builtin.int<0>} : tensor<8xi32> -> tensor<1x8xi32>
  %rr = value.broadcast %r : tensor<16x1xi32> -> tensor<16x8xi32>
  %cc = value.broadcast %c : tensor<1x8xi32> -> tensor<16x8xi32>
  %pos = arith.addi %rr, %cc : tensor<16x8xi32>
  %squares = arith.muli %rr, %rr : tensor<16x8xi32>
  %tenth = arith.constant 0.1 : f64
  %tenths = value.splat %tenth : f64 -> tensor<16x8xf64>
  %v = tl.load %x[%pos] : !tl.ptr<f64>[tensor<16x8xi32>] -> tensor<16x8xf64>
  %scaled = arith.mulf %v, %tenths : tensor<16x8xf64>
  tl.store %scaled, %x[%squares] : tensor<16x8xf64>, !tl.ptr<f64>[tensor<16x8xi32>]
  tl.store %tenths, %x[%pos] : tensor<16x8xf64>, !tl.ptr<f64>[tensor<16x8xi32>]
  %n = tl.constexpr "_N" : i64
  %one = arith.constant 1 : i64
  %low = arith.addi %n, %one : i64
  %high = arith.muli %wide, %n : i64
  %c0 = arith.constant 0 : i64
  scf.for %i = %low to %high step %one : i64 {
    tl.store %tenth, %x[%i] : f64, !tl.ptr<f64>[i64]
    scf.yield
  }
  tl.return
} grid {
^bb0(%x: !tl.ptr<f64>, %wide: i64):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK: tl.func @loops attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
// CHECK: %0, %1, %2 = tl.copy %c0, %c1, %n {names = ["a", "b", "acc"]} : i32, i32, i32
// CHECK: %a, %b, %acc = scf.for %i = %c0 to %n step %c1 iter_args(%a_1 = %0, %b_1 = %1, %acc_1 = %2) -> (i32, i32, i32) : i32 {
// CHECK: %next = arith.addi %acc_1, %a_1 {names = ["acc"]} : i32
// CHECK: %3, %4 = tl.copy %b_1, %a_1 {names = ["a", "b"]} : i32, i32
// CHECK: scf.yield %3, %4, %next : i32, i32, i32
// CHECK: } {names = ["a", "b", "acc"], arg_names = ["i", "a", "b", "acc"]}
// CHECK: %sum = arith.addi %a, %acc {names = ["sum"]} : i32
// CHECK: tl.func @branches attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
// CHECK: %0 = tl.copy %c0 {names = ["acc"]} : i32
// CHECK: %acc = scf.for %i = %c0 to %n step %c1 iter_args(%acc_1 = %0) -> (i32) : i32 {
// CHECK: %late = value.compare "gt", %i, %c1 {names = ["late"]} : i32 -> i1
// CHECK: %next = scf.if %late -> (i32) {
// CHECK: %more = arith.addi %acc_1, %i {names = ["acc"]} : i32
// CHECK: scf.yield %more : i32
// CHECK: scf.yield %acc_1 : i32
// CHECK: }{names = ["acc"]}
// CHECK: scf.yield %next : i32
// CHECK: } {names = ["acc"], arg_names = ["i", "acc"]}
// CHECK: tl.func @whiles attributes {arg_names = ["out", "n"], arg_exprs = ["out", "n"], constexprs = {}, host = "", options = {}} {
// CHECK: %0 = tl.copy %c0 {names = ["count"]} : i32
// CHECK: %count = scf.while (%count_1 = %0) : (i32) -> i32 {
// CHECK: scf.condition(%more) %count_1 : i32
// CHECK: %next = arith.addi %count_2, %c1 {names = ["count"]} : i32
// CHECK: scf.yield %next : i32
// CHECK: } attributes {names = ["count"], arg_names = ["count"]}
// CHECK: %link = tl.load %out[%count] {names = ["at"]} : !tl.ptr<i32>[i32] -> i32
// CHECK: %more_1 = value.compare "ne", %link, %c0 {names = ["condition"]} : i32 -> i1
// CHECK: %at, %condition = scf.while (%link_1 = %link, %1 = %more_1) : (i32, i1) -> (i32, i1) {
// CHECK: scf.condition(%1) %link_1, %1 : i32, i1
// CHECK: %link_3 = tl.load %out[%link_2] {names = ["at"]} : !tl.ptr<i32>[i32] -> i32
// CHECK: %more_2 = value.compare "ne", %link_3, %c0 {names = ["condition"]} : i32 -> i1
// CHECK: scf.yield %link_3, %more_2 : i32, i1
// CHECK: } attributes {names = ["at", "condition"], arg_names = ["at", "condition"]}
// CHECK: tl.func @operands attributes {arg_names = ["x", "wide"], arg_exprs = ["x", "wide"], constexprs = {_N = #builtin.int<8>}, host = "", options = {}} {
// CHECK: %rows = tl.arange {names = ["rows"]} : tensor<16xi32>
// CHECK: %cols = tl.arange {names = ["cols"]} : tensor<8xi32>
// CHECK: %rr = value.broadcast %r {names = ["rr"]} : tensor<16x1xi32> -> tensor<16x8xi32>
// CHECK: %rr_1 = value.broadcast %r {implicit, inline} : tensor<16x1xi32> -> tensor<16x8xi32>
// CHECK: %cc = value.broadcast %c {implicit, inline} : tensor<1x8xi32> -> tensor<16x8xi32>
// CHECK: %pos = arith.addi %rr_1, %cc {names = ["pos"]} : tensor<16x8xi32>
// CHECK: %squares = arith.muli %rr, %rr {names = ["squares"]} : tensor<16x8xi32>
// CHECK: %tenth_1 = arith.constant {typed, inline} 1.000000e-01 : f64
// CHECK: %tenths = value.splat %tenth {names = ["tenths"]} : f64 -> tensor<16x8xf64>
// CHECK: %tenths_1 = value.splat %tenth {implicit, inline} : f64 -> tensor<16x8xf64>
// CHECK: %v = tl.load %x[%pos] {names = ["v"]} : !tl.ptr<f64>[tensor<16x8xi32>] -> tensor<16x8xf64>
// CHECK: %scaled = arith.mulf %v, %tenths_1 {names = ["scaled"]} : tensor<16x8xf64>
// CHECK: %n_1 = tl.constexpr "_N" {typed, inline} : i64
// CHECK: %one_1 = arith.constant {typed, inline} 1 : i64
// CHECK: %low = arith.addi %n_1, %one_1 {names = ["low"]} : i64
// CHECK: %high = arith.muli %wide, %n {names = ["high"]} : i64
// CHECK: scf.for %i = %low to %high step %one : i64 {
// CHECK: } {arg_names = ["i"]}

// PRINT: @triton.jit
// PRINT-NEXT: def _loops(out, n):
// PRINT-NEXT:     a, b, acc = 0, 1, n
// PRINT-NEXT:     for i in range(0, n):
// PRINT-NEXT:         acc = acc + a
// PRINT-NEXT:         a, b = b, a
// PRINT-NEXT:     sum = a + acc
// PRINT-NEXT:     tl.store(out + b, sum)
// PRINT: @triton.jit
// PRINT-NEXT: def _branches(out, n):
// PRINT-NEXT:     acc = 0
// PRINT-NEXT:     for i in range(0, n):
// PRINT-NEXT:         late = i > 1
// PRINT-NEXT:         if late:
// PRINT-NEXT:             acc = acc + i
// PRINT-NEXT:     tl.store(out, acc)
// PRINT: @triton.jit
// PRINT-NEXT: def _whiles(out, n):
// PRINT-NEXT:     count = 0
// PRINT-NEXT:     while count + count < n:
// PRINT-NEXT:         count = count + 1
// PRINT-NEXT:     at = tl.load(out + count)
// PRINT-NEXT:     condition = at != 0
// PRINT-NEXT:     while condition:
// PRINT-NEXT:         at = tl.load(out + at)
// PRINT-NEXT:         condition = at != 0
// PRINT-NEXT:     tl.store(out, at)
// PRINT: @triton.jit
// PRINT-NEXT: def _operands(x, wide: tl.int64, _N: tl.constexpr):
// PRINT-NEXT:     rows = tl.arange(0, 16)
// PRINT-NEXT:     cols = tl.arange(0, 8)
// PRINT-NEXT:     rr = tl.broadcast_to(rows[:, None], [16, 8])
// PRINT-NEXT:     pos = rows[:, None] + cols[None, :]
// PRINT-NEXT:     squares = rr * rr
// PRINT-NEXT:     tenths = tl.full([16, 8], 0.1, tl.float64)
// PRINT-NEXT:     v = tl.load(x + pos)
// PRINT-NEXT:     scaled = v * 0.1
// PRINT-NEXT:     tl.store(x + squares, scaled)
// PRINT-NEXT:     tl.store(x + pos, tenths)
// PRINT-NEXT:     low = tl.full([], _N, tl.int64) + tl.full([], 1, tl.int64)
// PRINT-NEXT:     high = wide * _N
// PRINT-NEXT:     for i in range(low, high):
// PRINT-NEXT:         tl.store(x + i, tl.full([], 0.1, tl.float64))

// 8-bit floats become float64 and bfloat16, and come from them, by way of float32.
tl.func @narrow attributes {arg_names = ["out", "x"], arg_exprs = ["out", "x"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<f8E5M2>, %x: !tl.ptr<f8E4M3FN>):
  %c0 = arith.constant 0 : i32
  %narrow = tl.load %x[%c0] : !tl.ptr<f8E4M3FN>[i32] -> f8E4M3FN
  %wide = arith.extf %narrow : f8E4M3FN to f64
  %other = arith.truncf %wide : f64 to f8E5M2
  %half = arith.extf %narrow : f8E4M3FN to bf16
  %back = arith.truncf %half : bf16 to f8E5M2
  tl.store %other, %out[%c0] : f8E5M2, !tl.ptr<f8E5M2>[i32]
  tl.store %back, %out[%c0] : f8E5M2, !tl.ptr<f8E5M2>[i32]
  tl.return
} grid {
^bb0(%out: !tl.ptr<f8E5M2>, %x: !tl.ptr<f8E4M3FN>):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK-LABEL: tl.func @narrow
// CHECK:       [[A:%.*]] = arith.extf {{.*}} : f8E4M3FN to f32
// CHECK-NEXT:  [[B:%.*]] = arith.extf [[A]] {{.*}} : f32 to f64
// CHECK-NEXT:  [[C:%.*]] = arith.truncf [[B]] {{.*}} : f64 to f32
// CHECK-NEXT:  arith.truncf [[C]] {{.*}} : f32 to f8E5M2
// CHECK:       [[D:%.*]] = arith.extf {{.*}} : f8E4M3FN to f32
// CHECK-NEXT:  [[E:%.*]] = arith.truncf [[D]] {{.*}} : f32 to bf16
// CHECK-NEXT:  [[F:%.*]] = arith.extf [[E]] {{.*}} : bf16 to f32
// CHECK-NEXT:  arith.truncf [[F]] {{.*}} : f32 to f8E5M2
