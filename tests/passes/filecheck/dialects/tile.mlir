// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s --print-op-generic | helion-opt | filecheck %s
// RUN: helion-opt %s --print-debuginfo | helion-opt | filecheck %s

// CHECK-LABEL: tile.kernel @matmul
tile.kernel @matmul attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {s0 = "x.size(0)"}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<16, 256>, b2 = #tile.block<32, 32>}, host = "def matmul(x, y):\n    __launch__()\n", index_type = i32, block_sizes = {b0 = #builtin.int<64>}, options = {num_warps = #builtin.int<4>}} {
^bb0(%x: !tile.ref<[s0, 256], [256, 1], bf16, align 16>, %y: !tile.ref<[256, 512], [512, 1], bf16, align 16>, %out: !tile.ref<[s0, 512], [512, 1], bf16, align 4>):
  %c0 = arith.constant 0 : i32
  // CHECK: %m = tile.symbol <s0> : i32
  %m = tile.symbol <s0> : i32
  %n = arith.constant 512 : i32
  %k = arith.constant 256 : i32
  // CHECK: tile.symbol <"2*b0"> : i32
  %b = tile.symbol <"2*b0"> : i32
  // CHECK: tile.grid(%c0, %c0) to(%m, %n) by <b0, b1> : i32, i32 attributes {l2_grouping = 8 : i64} {
  // CHECK-NEXT: ^bb{{[0-9]+}}(%tile_m: !tile.tile<b0>, %tile_n: !tile.tile<b1>):
  tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i32, i32 attributes {l2_grouping = 8 : i64} {
  ^bb1(%tile_m: !tile.tile<b0>, %tile_n: !tile.tile<b1>):
    %zero = arith.constant 0.0 : f32
    // CHECK: value.splat %zero : f32 -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %init = value.splat %zero : f32 -> tensor<?x?xf32, #tile.dims<b0, b1>>
    // CHECK: %acc = tile.for(%c0) to(%k) by <b2> : i32 iter_args(%init) : tensor<?x?xf32, #tile.dims<b0, b1>> attributes {site = 0 : i64} {
    %acc = tile.for (%c0) to (%k) by <b2> : i32 iter_args(%init) : tensor<?x?xf32, #tile.dims<b0, b1>> attributes {site = 0 : i64} {
    ^bb2(%tile_k: !tile.tile<b2>, %a: tensor<?x?xf32, #tile.dims<b0, b1>>):
      // CHECK: tile.load %x[%tile_m, %tile_k] {indexing = "tensor_descriptor"} : !tile.ref<[s0, 256], [256, 1], bf16, align 16>[!tile.tile<b0>, !tile.tile<b2>] -> tensor<?x?xbf16, #tile.dims<b0, b2>>
      %xv = tile.load %x[%tile_m, %tile_k] {indexing = "tensor_descriptor"} : !tile.ref<[s0, 256], [256, 1], bf16, align 16>[!tile.tile<b0>, !tile.tile<b2>] -> tensor<?x?xbf16, #tile.dims<b0, b2>>
      %yv = tile.load %y[%tile_k, %tile_n] : !tile.ref<[256, 512], [512, 1], bf16, align 16>[!tile.tile<b2>, !tile.tile<b1>] -> tensor<?x?xbf16, #tile.dims<b2, b1>>
      // CHECK: tile.dot %xv, %yv, %a over %tile_k {precision = "ieee"} : tensor<?x?xbf16, #tile.dims<b0, b2>>, tensor<?x?xbf16, #tile.dims<b2, b1>>, tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.tile<b2>
      %next = tile.dot %xv, %yv, %a over %tile_k {precision = "ieee"} : tensor<?x?xbf16, #tile.dims<b0, b2>>, tensor<?x?xbf16, #tile.dims<b2, b1>>, tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.tile<b2>
      // CHECK: tile.yield %next : tensor<?x?xf32, #tile.dims<b0, b1>>
      tile.yield %next : tensor<?x?xf32, #tile.dims<b0, b1>>
    }
    %result = arith.truncf %acc : tensor<?x?xf32, #tile.dims<b0, b1>> to tensor<?x?xbf16, #tile.dims<b0, b1>>
    // CHECK: tile.store %result, %out[%tile_m, %tile_n] : tensor<?x?xbf16, #tile.dims<b0, b1>>, !tile.ref<[s0, 512], [512, 1], bf16, align 4>[!tile.tile<b0>, !tile.tile<b1>]
    tile.store %result, %out[%tile_m, %tile_n] : tensor<?x?xbf16, #tile.dims<b0, b1>>, !tile.ref<[s0, 512], [512, 1], bf16, align 4>[!tile.tile<b0>, !tile.tile<b1>]
    tile.yield
  }
}

// CHECK-LABEL: tile.kernel @every_other_op
tile.kernel @every_other_op attributes {arg_names = ["x", "ids", "bytes", "n"], arg_exprs = ["x", "ids", "bytes", "n"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[1000, 64], [64, 1], f32, align 16>, %ids: !tile.ref<[1000], [1], i32, align 16>, %bytes: !tile.ref<[1000], [1], ui8, align 1>, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1000 = arith.constant 1000 : i32
  %t = arith.constant true
  tile.grid (%c0, %c0) to (%c1000, %c1000) by <b0, 1> : i32, i32 {
  ^bb1(%tile: !tile.tile<b0>, %i: i32):
    // CHECK: tile.whole : !tile.tile<64>
    %all = tile.whole : !tile.tile<64>
    // CHECK: tile.address_space : !tile.ref<[9223372036854775807], [1], f32, align 1, offsets 64>
    %memory = tile.address_space : !tile.ref<[9223372036854775807], [1], f32, align 1, offsets 64>
    // CHECK: tile.range %c0 to %n {step = #builtin.int<2>} : i32 -> !tile.tile<b1>
    %some = tile.range %c0 to %n {step = #builtin.int<2>} : i32 -> !tile.tile<b1>
    // CHECK: tile.shift %tile, %n : !tile.tile<b0>, i32
    %shifted = tile.shift %tile, %n : !tile.tile<b0>, i32
    // CHECK: tile.begin %tile : !tile.tile<b0> -> i32
    %begin = tile.begin %tile : !tile.tile<b0> -> i32
    // CHECK: tile.end %tile : !tile.tile<b0> -> i32
    %end = tile.end %tile : !tile.tile<b0> -> i32
    // CHECK: tile.id %tile : !tile.tile<b0> -> i32
    %id = tile.id %tile : !tile.tile<b0> -> i32
    // CHECK: tile.count %tile : !tile.tile<b0> -> i32
    %count = tile.count %tile : !tile.tile<b0> -> i32
    // CHECK: tile.index %tile : !tile.tile<b0> -> tensor<?xi32, #tile.dims<b0>>
    %index = tile.index %tile : !tile.tile<b0> -> tensor<?xi32, #tile.dims<b0>>

    // CHECK: tile.load %bytes[%i] : !tile.ref<[1000], [1], ui8, align 1>[i32] -> i8
    %byte = tile.load %bytes[%i] : !tile.ref<[1000], [1], ui8, align 1>[i32] -> i8
    %id_values = tile.load %ids[%tile] : !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>] -> tensor<?xi32, #tile.dims<b0>>
    %mask = value.splat %t : i1 -> tensor<?x64xi1, #tile.dims<b0, 64>>
    %fill = arith.constant 1.0 : f32
    // CHECK: tile.load %x[%id_values, %all] tiles(%tile : !tile.tile<b0>) mask %mask : tensor<?x64xi1, #tile.dims<b0, 64>> other %fill : f32 {eviction_policy = "evict_first", cache_modifier = ".cg"} : !tile.ref<[1000, 64], [64, 1], f32, align 16>[tensor<?xi32, #tile.dims<b0>>, !tile.tile<64>] -> tensor<?x64xf32, #tile.dims<b0, 64>>
    %v = tile.load %x[%id_values, %all] tiles(%tile : !tile.tile<b0>) mask %mask : tensor<?x64xi1, #tile.dims<b0, 64>> other %fill : f32 {eviction_policy = "evict_first", cache_modifier = ".cg"} : !tile.ref<[1000, 64], [64, 1], f32, align 16>[tensor<?xi32, #tile.dims<b0>>, !tile.tile<64>] -> tensor<?x64xf32, #tile.dims<b0, 64>>
    // CHECK: tile.store %v, %x[%tile, %all] mask %mask : tensor<?x64xi1, #tile.dims<b0, 64>> {cache_modifier = ".cs"}
    tile.store %v, %x[%tile, %all] mask %mask : tensor<?x64xi1, #tile.dims<b0, 64>> {cache_modifier = ".cs"} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.ref<[1000, 64], [64, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<64>]
    // CHECK: tile.atomic_rmw "add" %v, %x[%shifted, %all] {sem = "acq_rel"} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.ref<[1000, 64], [64, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<64>] -> tensor<?x64xf32, #tile.dims<b0, 64>>
    %old = tile.atomic_rmw "add" %v, %x[%shifted, %all] {sem = "acq_rel"} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.ref<[1000, 64], [64, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<64>] -> tensor<?x64xf32, #tile.dims<b0, 64>>
    // CHECK: tile.atomic_rmw "max" %id_values, %ids[%tile] : tensor<?xi32, #tile.dims<b0>>, !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>]{{$}}
    tile.atomic_rmw "max" %id_values, %ids[%tile] : tensor<?xi32, #tile.dims<b0>>, !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>]
    // CHECK: tile.atomic_wait %id_values, %ids[%tile] update %index : tensor<?xi32, #tile.dims<b0>> {scope = "sys"} : tensor<?xi32, #tile.dims<b0>>, !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>]
    tile.atomic_wait %id_values, %ids[%tile] update %index : tensor<?xi32, #tile.dims<b0>> {scope = "sys"} : tensor<?xi32, #tile.dims<b0>>, !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>]
    // CHECK: tile.atomic_cas %index, %id_values, %ids[%tile] : tensor<?xi32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>>, !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>] -> tensor<?xi32, #tile.dims<b0>>
    %cas = tile.atomic_cas %index, %id_values, %ids[%tile] : tensor<?xi32, #tile.dims<b0>>, tensor<?xi32, #tile.dims<b0>>, !tile.ref<[1000], [1], i32, align 16>[!tile.tile<b0>] -> tensor<?xi32, #tile.dims<b0>>

    // CHECK: value.expand_dims %index {axis = #builtin.int<1>} : tensor<?xi32, #tile.dims<b0>> -> tensor<?x1xi32, #tile.dims<b0, 1>>
    %column = value.expand_dims %index {axis = #builtin.int<1>} : tensor<?xi32, #tile.dims<b0>> -> tensor<?x1xi32, #tile.dims<b0, 1>>
    // CHECK: value.broadcast %column : tensor<?x1xi32, #tile.dims<b0, 1>> -> tensor<?x64xi32, #tile.dims<b0, 64>>
    %wide = value.broadcast %column : tensor<?x1xi32, #tile.dims<b0, 1>> -> tensor<?x64xi32, #tile.dims<b0, 64>>
    // CHECK: value.permute %v {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<64x?xf32, #tile.dims<64, b0>>
    %turned = value.permute %v {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<64x?xf32, #tile.dims<64, b0>>
    // CHECK: value.reshape %v : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?xf32, #tile.dims<"64*b0">>
    %flat = value.reshape %v : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?xf32, #tile.dims<"64*b0">>
    // CHECK: value.join %v, %old : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64x2xf32, #tile.dims<b0, 64, 2>>
    %pair = value.join %v, %old : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64x2xf32, #tile.dims<b0, 64, 2>>
    // CHECK: %{{.*}}, %{{.*}} = value.split %pair : tensor<?x64x2xf32, #tile.dims<b0, 64, 2>> -> tensor<?x64xf32, #tile.dims<b0, 64>>
    %first, %second = value.split %pair : tensor<?x64x2xf32, #tile.dims<b0, 64, 2>> -> tensor<?x64xf32, #tile.dims<b0, 64>>

    // CHECK: value.compare "lt", %v, %old : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64xi1, #tile.dims<b0, 64>>
    %less = value.compare "lt", %v, %old : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64xi1, #tile.dims<b0, 64>>
    // CHECK: value.select %less, %v, %old : tensor<?x64xi1, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>
    %least = value.select %less, %v, %old : tensor<?x64xi1, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>
    // CHECK: value.bitcast %least : tensor<?x64xf32, #tile.dims<b0, 64>> to tensor<?x64xi32, #tile.dims<b0, 64>>
    %bits = value.bitcast %least : tensor<?x64xf32, #tile.dims<b0, 64>> to tensor<?x64xi32, #tile.dims<b0, 64>>
    // CHECK: value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<b0, 64>> to tensor<?x64xi64, #tile.dims<b0, 64>>
    %cast = value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<b0, 64>> to tensor<?x64xi64, #tile.dims<b0, 64>>
    // CHECK: value.libdevice "pow"(%v, %old) : (tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>) -> tensor<?x64xf32, #tile.dims<b0, 64>>
    %power = value.libdevice "pow"(%v, %old) : (tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>) -> tensor<?x64xf32, #tile.dims<b0, 64>>

    // CHECK: tile.pad %v, %fill past %tile {axis = #builtin.int<0>} : tensor<?x64xf32, #tile.dims<b0, 64>>, f32, !tile.tile<b0>
    %padded = tile.pad %v, %fill past %tile {axis = #builtin.int<0>} : tensor<?x64xf32, #tile.dims<b0, 64>>, f32, !tile.tile<b0>
    // CHECK: tile.keep %padded, %v past %tile {axis = #builtin.int<0>} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<b0>
    %kept = tile.keep %padded, %v past %tile {axis = #builtin.int<0>} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<b0>
    // CHECK: tile.reduce "max" %padded over %tile {axis = #builtin.int<0>, ignore_nan} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<b0> -> tensor<64xf32>
    %max = tile.reduce "max" %padded over %tile {axis = #builtin.int<0>, ignore_nan} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<b0> -> tensor<64xf32>
    // CHECK: tile.reduce "sum" %max over %all {axis = #builtin.int<0>} : tensor<64xf32>, !tile.tile<64> -> f32
    %sum = tile.reduce "sum" %max over %all {axis = #builtin.int<0>} : tensor<64xf32>, !tile.tile<64> -> f32
    // CHECK: tile.arg_reduce "min" %v over %all {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<64> -> tensor<?xf32, #tile.dims<b0>>, tensor<?xi64, #tile.dims<b0>>
    %min, %at = tile.arg_reduce "min" %v over %all {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<64> -> tensor<?xf32, #tile.dims<b0>>, tensor<?xi64, #tile.dims<b0>>
    // CHECK: tile.scan "sum" %v over %all {axis = #builtin.int<1>, reverse} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<64> -> tensor<?x64xf32, #tile.dims<b0, 64>>
    %prefix = tile.scan "sum" %v over %all {axis = #builtin.int<1>, reverse} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<64> -> tensor<?x64xf32, #tile.dims<b0, 64>>
    // CHECK: tile.flip %v over %all {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<64>
    %flipped = tile.flip %v over %all {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, !tile.tile<64>
    // CHECK: value.gather %v, %wide {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xi32, #tile.dims<b0, 64>> -> tensor<?x64xf32, #tile.dims<b0, 64>>
    %gathered = value.gather %v, %wide {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xi32, #tile.dims<b0, 64>> -> tensor<?x64xf32, #tile.dims<b0, 64>>
    // CHECK: tile.argsort %wide over %all {axis = #builtin.int<1>} : tensor<?x64xi32, #tile.dims<b0, 64>>, !tile.tile<64> -> tensor<?x64xi32, #tile.dims<b0, 64>>
    %order = tile.argsort %wide over %all {axis = #builtin.int<1>} : tensor<?x64xi32, #tile.dims<b0, 64>>, !tile.tile<64> -> tensor<?x64xi32, #tile.dims<b0, 64>>
    // CHECK: tile.combine_reduce %max over %all {axis = #builtin.int<0>, empty = [0.000000e+00 : f32]} : tensor<64xf32> over !tile.tile<64> -> f32 {
    %most = tile.combine_reduce %max over %all {axis = #builtin.int<0>, empty = [0.0 : f32]} : tensor<64xf32> over !tile.tile<64> -> f32 {
    ^bb2(%left: f32, %right: f32):
      // CHECK: value.combined %left : f32
      value.combined %left : f32
    }
    // CHECK: tile.combine_scan %max over %all {axis = #builtin.int<0>, reverse} : tensor<64xf32> over !tile.tile<64> -> tensor<64xf32> {
    %scanned = tile.combine_scan %max over %all {axis = #builtin.int<0>, reverse} : tensor<64xf32> over !tile.tile<64> -> tensor<64xf32> {
    ^bb3(%left: f32, %right: f32):
      value.combined %right : f32
    }
    tile.yield
  }
  // CHECK: tile.barrier
  tile.barrier
}

// Bytes of e2m1 have two numbers along K; each scale is that of 32.
%e2m1, %e2m1_scale, %e4m3, %e4m3_scale, %sums = "test.op"() : () -> (tensor<?x64xi8, #tile.dims<b0, 64>>, tensor<?x4xi8, #tile.dims<b0, 4>>, tensor<128x16xf8E4M3FN>, tensor<16x4xi8>, tensor<?x16xf32, #tile.dims<b0, 16>>)
%k2 = tile.whole : !tile.tile<64>
%k1 = tile.whole : !tile.tile<128>
%k32 = tile.whole : !tile.tile<4>
// CHECK: tile.dot_scaled %e2m1 scale %e2m1_scale, %e4m3 scale %e4m3_scale, %sums over %k2, %k32, %k1, %k32 : tensor<?x64xi8, #tile.dims<b0, 64>>
%scaled = tile.dot_scaled %e2m1 scale %e2m1_scale, %e4m3 scale %e4m3_scale, %sums over %k2, %k32, %k1, %k32 : tensor<?x64xi8, #tile.dims<b0, 64>>, tensor<?x4xi8, #tile.dims<b0, 4>>, tensor<128x16xf8E4M3FN>, tensor<16x4xi8>, tensor<?x16xf32, #tile.dims<b0, 16>> over !tile.tile<64>, !tile.tile<4>, !tile.tile<128>, !tile.tile<4>
