// RUN: helion-opt %s -p resolve-padding --split-input-file | filecheck %s

// `acc += x`: zeros loaded past the end leave the accumulator as it is.
// CHECK-LABEL: tile.kernel @sum
// CHECK:       %v = tile.load %x[%t] other %{{.*}} : f32
// CHECK-NEXT:  %new = arith.addf %old, %v
// CHECK-NEXT:  tile.yield %new
// CHECK:       tile.reduce "sum" %r over %all
tile.kernel @sum attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f32, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 0.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      %new = arith.addf %old, %v : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "sum" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// The block divides the extent: no lane is past an end, and nothing is filled.
// CHECK-LABEL: tile.kernel @exact
// CHECK:       %v = tile.load %x[%t] :
// CHECK-NEXT:  %new = arith.addf %old, %v
// CHECK-NEXT:  tile.yield %new
tile.kernel @exact attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[32], [1], f32, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 32 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 0.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[32], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      %new = arith.addf %old, %v : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "sum" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// The maximum does not see minus infinity, which the loads hold; the wider value adds nothing.
// CHECK-LABEL: tile.kernel @max
// CHECK:       %[[INF:.*]] = arith.constant 0xfc00 : f16
// CHECK-NEXT:  %v = tile.load %x[%t] other %[[INF]] : f16
// CHECK-NEXT:  %w = arith.extf %v
// CHECK-NEXT:  %new = arith.maximumf %old, %w
// CHECK-NEXT:  tile.yield %new
tile.kernel @max attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f16, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 1.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f16, align 16>[!tile.tile<b0>] -> tensor<?xf16, #tile.dims<b0>>
      %w = arith.extf %v : tensor<?xf16, #tile.dims<b0>> to tensor<?xf32, #tile.dims<b0>>
      %new = arith.maximumf %old, %w : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "max" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// float8_e4m3fn has no infinity, and maxnumf no neutral element: the lanes are selected.
// CHECK-LABEL: tile.kernel @narrow
// CHECK:       %v = tile.load %x[%t] :
// CHECK:       %kept = tile.keep %new, %old past %t
// CHECK-NEXT:  tile.yield %kept
tile.kernel @narrow attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f8E4M3FN, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 1.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f8E4M3FN, align 16>[!tile.tile<b0>] -> tensor<?xf8E4M3FN, #tile.dims<b0>>
      %w = arith.extf %v : tensor<?xf8E4M3FN, #tile.dims<b0>> to tensor<?xf32, #tile.dims<b0>>
      %new = arith.maximumf %old, %w : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "max" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// CHECK-LABEL: tile.kernel @no_neutral
// CHECK:       %v = tile.load %x[%t] :
// CHECK:       %kept = tile.keep %new, %old past %t
tile.kernel @no_neutral attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f32, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 1.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      %new = arith.maxnumf %old, %v : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "max" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// A value that takes the accumulator's place, and one that no load is behind: selected.
// CHECK-LABEL: tile.kernel @assigned
// CHECK:       %kept = tile.keep %new, %old past %t
tile.kernel @assigned attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f32, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 1.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      %new = arith.negf %v : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "sum" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// CHECK-LABEL: tile.kernel @doubled
// CHECK:       %kept = tile.keep %new, %old past %t
tile.kernel @doubled attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f32, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 1.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      %new = arith.addf %old, %old : tensor<?xf32, #tile.dims<b0>>
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "sum" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}

// -----

// In either arm of a branch the lanes stay, or would with zeros.
// CHECK-LABEL: tile.kernel @branch
// CHECK:       %v = tile.load %x[%t] other
// CHECK-NOT:   tile.keep
tile.kernel @branch attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<8, 8>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[30], [1], f32, align 16>, %out: !tile.ref<[1], [1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %n = arith.constant 30 : i32
  tile.grid (%c0) to (%c1) by <1> : i32 {
  ^bb1(%i: i32):
    %init = arith.constant 1.0 : f32
    %acc = value.splat %init : f32 -> tensor<?xf32, #tile.dims<b0>>
    %r = tile.for (%c0) to (%n) by <b0> : i32 iter_args(%acc) : tensor<?xf32, #tile.dims<b0>> {
    ^bb2(%t: !tile.tile<b0>, %old: tensor<?xf32, #tile.dims<b0>>):
      %v = tile.load %x[%t] : !tile.ref<[30], [1], f32, align 16>[!tile.tile<b0>] -> tensor<?xf32, #tile.dims<b0>>
      %c = "test.op"() : () -> i1
      %new = scf.if %c -> (tensor<?xf32, #tile.dims<b0>>) {
        %a = arith.addf %v, %old : tensor<?xf32, #tile.dims<b0>>
        scf.yield %a : tensor<?xf32, #tile.dims<b0>>
      } else {
        scf.yield %old : tensor<?xf32, #tile.dims<b0>>
      }
      %kept = tile.keep %new, %old past %t {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0>
      tile.yield %kept : tensor<?xf32, #tile.dims<b0>>
    }
    %all = tile.whole : !tile.tile<b0>
    %s = tile.reduce "sum" %r over %all {axis = #builtin.int<0>} : tensor<?xf32, #tile.dims<b0>>, !tile.tile<b0> -> f32
    tile.store %s, %out[%c0] : f32, !tile.ref<[1], [1], f32, align 16>[i32]
    tile.yield
  }
}
