// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s -p drop-unit-dims | filecheck %s --check-prefix=DROP
// RUN: helion-opt %s -p drop-unit-dims,convert-tile-to-tl | filecheck %s --check-prefix=TL
// RUN: helion-opt %s -p drop-unit-dims,convert-tile-to-tl,prepare-for-print -t triton | filecheck %s --check-prefix=TRITON
// RUN: not helion-opt %s -p 'number-sites,roll-reductions{reduction_loops=16}' 2>&1 | filecheck %s --check-prefix=ROLL

// CHECK: %best, %at = tile.combine_reduce %v, %lane over %all {axis = #builtin.int<1>, empty = [0.000000e+00 : f32, 0 : i32]} : tensor<?x30xf32, #tile.dims<b0, 30>>, tensor<?x30xi32, #tile.dims<b0, 30>> over !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>> {
// CHECK: value.combined %{{.*}}, %{{.*}} : f32, i32
// CHECK: tile.combine_scan %v over %all {axis = #builtin.int<1>, reverse} : tensor<?x30xf32, #tile.dims<b0, 30>> over !tile.tile<30> -> tensor<?x30xf32, #tile.dims<b0, 30>> {

// The axis is renumbered.
// DROP: tile.combine_reduce %v, %lane over %all {axis = #builtin.int<0>,

// Of 32 lanes, 30 are valid: which count goes along, and the function takes those alone.
// TL: tl.combine_reduce %{{.*}}, %{{.*}}, %{{.*}} {axis = #builtin.int<0>, empty = [0.000000e+00 : f32, 0 : i32, 0 : i8]}
// TL: ^bb{{[0-9]+}}(%a: f32, %ai: i32, %valid: i8, %b: f32, %bi: i32, %other_valid: i8):
// TL: tl.combine_scan %{{.*}}, %{{.*}} {axis = #builtin.int<0>, reverse}

// TRITON: def _combine_0(a, ai, valid, b, bi, other_valid):
// TRITON: return {{.*}}, valid | other_valid
// TRITON: best, at, {{.*}} = tl.reduce(({{.*}}), 0, _combine_0)
// TRITON: = tl.associative_scan(({{.*}}), 0, _combine_1, reverse=True)

// The scan needs the axis as a whole.
// ROLL: InvalidConfig: reduction_loops: this kernel has no site for it, got [16]
tile.kernel @row attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, 1>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 30], [30, 1], f32, align 16>, %out: !tile.ref<[64, 30], [30, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 64 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %all = tile.whole : !tile.tile<30>
    %v = tile.load %x[%i, %all] : !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>] -> tensor<?x30xf32, #tile.dims<b0, 30>>
    %lane = value.splat %c0 : i32 -> tensor<?x30xi32, #tile.dims<b0, 30>>
    %best, %at = tile.combine_reduce %v, %lane over %all {axis = #builtin.int<1>, empty = [0.0 : f32, 0 : i32]} : tensor<?x30xf32, #tile.dims<b0, 30>>, tensor<?x30xi32, #tile.dims<b0, 30>> over !tile.tile<30> -> tensor<?xf32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>> {
    ^bb2(%a: f32, %ai: i32, %b: f32, %bi: i32):
      %wins = value.compare "gt", %b, %a : f32 -> i1
      %w = value.select %wins, %b, %a : i1, f32
      %wi = value.select %wins, %bi, %ai : i1, i32
      value.combined %w, %wi : f32, i32
    }
    tile.store %best, %out[%i, %c0] : tensor<?xf32, #tile.dims<b0>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, i32]
    %s = tile.combine_scan %v over %all {axis = #builtin.int<1>, reverse} : tensor<?x30xf32, #tile.dims<b0, 30>> over !tile.tile<30> -> tensor<?x30xf32, #tile.dims<b0, 30>> {
    ^bb3(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      value.combined %sum : f32
    }
    tile.store %s, %out[%i, %all] : tensor<?x30xf32, #tile.dims<b0, 30>>, !tile.ref<[64, 30], [30, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<30>]
    tile.yield
  }
}
