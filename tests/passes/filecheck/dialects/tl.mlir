// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s --print-op-generic | helion-opt | filecheck %s
// RUN: helion-opt %s --print-debuginfo | helion-opt | filecheck %s

tl.func @every_op attributes {arg_names = ["x", "ids", "n"], arg_exprs = ["x", "ids", "x.size(0)"], constexprs = {_BLOCK_SIZE_0 = #builtin.int<64>, _SIZE = "x.size(1)"}, host = "", options = {num_warps = #builtin.int<4>}} {
^bb0(%x: !tl.ptr<f32>, %ids: !tl.ptr<i32>, %n: i32):
  %block = tl.constexpr "_BLOCK_SIZE_0" : i32
  %pid = tl.program_id #builtin.int<0>
  %programs = tl.num_programs #builtin.int<1>
  %count = tl.cdiv %n, %block : i32
  %lanes = tl.arange : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %lanes64 = tl.arange : tensor<64xi32>
  %base = arith.muli %pid, %block : i32
  %bases = value.splat %base : i32 -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %offset = arith.addi %bases, %lanes : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %ends = value.splat %n : i32 -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %mask = value.compare "lt", %offset, %ends : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>> -> tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>>
  %zero = arith.constant 0.0 : f32
  %v = tl.load %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> other %zero : f32 {eviction_policy = "evict_last", cache_modifier = ".ca"} : !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
  %scalar = tl.load %x[%n] : !tl.ptr<f32>[i32] -> f32
  tl.store %v, %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> {cache_modifier = ".cs"} : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
  tl.debug_barrier
  %old = tl.atomic_rmw "add" "relaxed" %v, %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
  %cas = tl.atomic_cas "acq_rel" %lanes, %offset, %ids[%offset] : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
  %c1 = arith.constant 1 : i32
  %slice = tl.addptr %x, %base : !tl.ptr<f32>, i32
  %desc = tl.make_tensor_descriptor %slice shape(%n, %block : i32, i32) strides(%block, %c1 : i32, i32) : !tl.ptr<f32> -> !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>
  %tile = tl.descriptor_load %desc[%pid, %base] : !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32] -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  tl.descriptor_store %tile, %desc[%pid, %base] : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32]
  tl.descriptor_reduce "add" %tile, %desc[%pid, %base] : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32]

  %column = value.expand_dims %v {axis = #builtin.int<1>} : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>> -> tensor<?x1xf32, #tile.dims<_BLOCK_SIZE_0, 1>>
  %wide = value.broadcast %column {implicit} : tensor<?x1xf32, #tile.dims<_BLOCK_SIZE_0, 1>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %turned = value.permute %tile {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<64x?xf32, #tile.dims<64, _BLOCK_SIZE_0>>
  %flat = value.reshape %tile : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?xf32, #tile.dims<"64*_BLOCK_SIZE_0">>
  %pair = value.join %tile, %wide : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64x2xf32, #tile.dims<_BLOCK_SIZE_0, 64, 2>>
  %first, %second = value.split %pair : tensor<?x64x2xf32, #tile.dims<_BLOCK_SIZE_0, 64, 2>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>

  %less = value.compare "lt", %first, %second : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64xi1, #tile.dims<_BLOCK_SIZE_0, 64>>
  %least = value.select %less, %first, %second : tensor<?x64xi1, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %bits = value.bitcast %least : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> to tensor<?x64xi32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %cast = value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<_BLOCK_SIZE_0, 64>> to tensor<?x64xi64, #tile.dims<_BLOCK_SIZE_0, 64>>
  %power = value.libdevice "pow"(%first, %second) : (tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>) -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %max = tl.reduce "max" %tile {axis = #builtin.int<0>, ignore_nan} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<64xf32>
  %sum = tl.reduce "sum" %max {axis = #builtin.int<0>} : tensor<64xf32> -> f32
  %min, %at = tl.arg_reduce "min" %tile {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %prefix = tl.scan "sum" %tile {axis = #builtin.int<1>, reverse} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %order = tl.argsort %lanes64 {axis = #builtin.int<0>} : tensor<64xi32> -> tensor<64xi32>
  %best = tl.combine_reduce %max {axis = #builtin.int<0>, empty = [0.000000e+00 : f32]} : tensor<64xf32> -> f32 {
  ^bb0(%left: f32, %right: f32):
    value.combined %left : f32
  }
  %pairs, %lane = tl.combine_scan %max, %lanes64 {axis = #builtin.int<0>, reverse} : tensor<64xf32>, tensor<64xi32> -> tensor<64xf32>, tensor<64xi32> {
  ^bb0(%left: f32, %left_lane: i32, %right: f32, %right_lane: i32):
    value.combined %right, %left_lane : f32, i32
  }
  %gathered = value.gather %max, %lanes64 {axis = #builtin.int<0>} : tensor<64xf32>, tensor<64xi32> -> tensor<64xf32>
  %acc = value.splat %zero : f32 -> tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>
  %dot = tl.dot %tile, %turned, %acc {precision = "tf32"} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<64x?xf32, #tile.dims<64, _BLOCK_SIZE_0>>, tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>
  %a, %b = tl.copy %dot, %sum : tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>, f32
  %flags = tl.atomic_rmw "xchg" "release" %lanes, %ids[%offset] {scope = "sys"} : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  tl.atomic_wait "acquire" "sys" %lanes, %ids[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> update %offset : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>> : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
  tl.pdl_wait
  tl.pdl_launch_dependents
  %everything = tl.address_zero : !tl.ptr<f32>
  tl.grid_barrier %ids : !tl.ptr<i32>
  tl.return
} grid {
^bb1(%x_: !tl.ptr<f32>, %ids_: !tl.ptr<i32>, %n_: i32):
  %size = tl.constexpr "_BLOCK_SIZE_0" : i32
  %blocks = tl.cdiv %n_, %size : i32
  tl.launch_grid %blocks : i32
}

// CHECK:      builtin.module {
// CHECK-NEXT:   tl.func @every_op attributes {arg_names = ["x", "ids", "n"], arg_exprs = ["x", "ids", "x.size(0)"], constexprs = {_BLOCK_SIZE_0 = #builtin.int<64>, _SIZE = "x.size(1)"}, host = "", options = {num_warps = #builtin.int<4>}} {
// CHECK-NEXT:   ^bb0(%x: !tl.ptr<f32>, %ids: !tl.ptr<i32>, %n: i32):
// CHECK-NEXT:     %block = tl.constexpr "_BLOCK_SIZE_0" : i32
// CHECK-NEXT:     %pid = tl.program_id #builtin.int<0>
// CHECK-NEXT:     %programs = tl.num_programs #builtin.int<1>
// CHECK-NEXT:     %count = tl.cdiv %n, %block : i32
// CHECK-NEXT:     %lanes = tl.arange : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %lanes64 = tl.arange : tensor<64xi32>
// CHECK-NEXT:     %base = arith.muli %pid, %block : i32
// CHECK-NEXT:     %bases = value.splat %base : i32 -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %offset = arith.addi %bases, %lanes : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %ends = value.splat %n : i32 -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %mask = value.compare "lt", %offset, %ends : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>> -> tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %zero = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:     %v = tl.load %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> other %zero : f32 {eviction_policy = "evict_last", cache_modifier = ".ca"} : !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %scalar = tl.load %x[%n] : !tl.ptr<f32>[i32] -> f32
// CHECK-NEXT:     tl.store %v, %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> {cache_modifier = ".cs"} : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
// CHECK-NEXT:     tl.debug_barrier
// CHECK-NEXT:     %old = tl.atomic_rmw "add" "relaxed" %v, %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %cas = tl.atomic_cas "acq_rel" %lanes, %offset, %ids[%offset] : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
// CHECK-NEXT:     %c1 = arith.constant 1 : i32
// CHECK-NEXT:     %slice = tl.addptr %x, %base : !tl.ptr<f32>, i32
// CHECK-NEXT:     %desc = tl.make_tensor_descriptor %slice shape(%n, %block : i32, i32) strides(%block, %c1 : i32, i32) : !tl.ptr<f32> -> !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>
// CHECK-NEXT:     %tile = tl.descriptor_load %desc[%pid, %base] : !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32] -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     tl.descriptor_store %tile, %desc[%pid, %base] : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32]
// CHECK-NEXT:     tl.descriptor_reduce "add" %tile, %desc[%pid, %base] : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32]
// CHECK-NEXT:     %column = value.expand_dims %v {axis = #builtin.int<1>} : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>> -> tensor<?x1xf32, #tile.dims<_BLOCK_SIZE_0, 1>>
// CHECK-NEXT:     %wide = value.broadcast %column {implicit} : tensor<?x1xf32, #tile.dims<_BLOCK_SIZE_0, 1>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %turned = value.permute %tile {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<64x?xf32, #tile.dims<64, _BLOCK_SIZE_0>>
// CHECK-NEXT:     %flat = value.reshape %tile : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?xf32, #tile.dims<"64*_BLOCK_SIZE_0">>
// CHECK-NEXT:     %pair = value.join %tile, %wide : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64x2xf32, #tile.dims<_BLOCK_SIZE_0, 64, 2>>
// CHECK-NEXT:     %first, %second = value.split %pair : tensor<?x64x2xf32, #tile.dims<_BLOCK_SIZE_0, 64, 2>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %less = value.compare "lt", %first, %second : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64xi1, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %least = value.select %less, %first, %second : tensor<?x64xi1, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %bits = value.bitcast %least : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> to tensor<?x64xi32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %cast = value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<_BLOCK_SIZE_0, 64>> to tensor<?x64xi64, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %power = value.libdevice "pow"(%first, %second) : (tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>) -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %max = tl.reduce "max" %tile {axis = #builtin.int<0>, ignore_nan} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<64xf32>
// CHECK-NEXT:     %sum = tl.reduce "sum" %max {axis = #builtin.int<0>} : tensor<64xf32> -> f32
// CHECK-NEXT:     %min, %at = tl.arg_reduce "min" %tile {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     %prefix = tl.scan "sum" %tile {axis = #builtin.int<1>, reverse} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
// CHECK-NEXT:     %order = tl.argsort %lanes64 {axis = #builtin.int<0>} : tensor<64xi32> -> tensor<64xi32>
// CHECK-NEXT:     %best = tl.combine_reduce %max {axis = #builtin.int<0>, empty = [0.000000e+00 : f32]} : tensor<64xf32> -> f32 {
// CHECK-NEXT:     ^bb{{[0-9]+}}(%left: f32, %right: f32):
// CHECK-NEXT:       value.combined %left : f32
// CHECK-NEXT:     }
// CHECK-NEXT:     %pairs, %lane = tl.combine_scan %max, %lanes64 {axis = #builtin.int<0>, reverse} : tensor<64xf32>, tensor<64xi32> -> tensor<64xf32>, tensor<64xi32> {
// CHECK-NEXT:     ^bb{{[0-9]+}}(%left{{[_0-9]*}}: f32, %left_lane: i32, %right{{[_0-9]*}}: f32, %right_lane: i32):
// CHECK-NEXT:       value.combined %right{{[_0-9]*}}, %left_lane : f32, i32
// CHECK-NEXT:     }
// CHECK-NEXT:     %gathered = value.gather %max, %lanes64 {axis = #builtin.int<0>} : tensor<64xf32>, tensor<64xi32> -> tensor<64xf32>
// CHECK-NEXT:     %acc = value.splat %zero : f32 -> tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>
// CHECK-NEXT:     %dot = tl.dot %tile, %turned, %acc : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<64x?xf32, #tile.dims<64, _BLOCK_SIZE_0>>, tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>
// CHECK-NEXT:     %a, %b = tl.copy %dot, %sum : tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>, f32
// CHECK-NEXT:     %flags = tl.atomic_rmw "xchg" "release" %lanes, %ids[%offset] {scope = "sys"} : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
// CHECK-NEXT:     tl.atomic_wait "acquire" "sys" %lanes, %ids[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> update %offset : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>> : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
// CHECK-NEXT:     tl.pdl_wait
// CHECK-NEXT:     tl.pdl_launch_dependents
// CHECK-NEXT:     %everything = tl.address_zero : !tl.ptr<f32>
// CHECK-NEXT:     tl.grid_barrier %ids : !tl.ptr<i32>
// CHECK-NEXT:     tl.return
// CHECK-NEXT:   } grid {
// CHECK-NEXT:   ^bb0(%x_: !tl.ptr<f32>, %ids_: !tl.ptr<i32>, %n_: i32):
// CHECK-NEXT:     %size = tl.constexpr "_BLOCK_SIZE_0" : i32
// CHECK-NEXT:     %blocks = tl.cdiv %n_, %size : i32
// CHECK-NEXT:     tl.launch_grid %blocks : i32
// CHECK-NEXT:   }
// CHECK-NEXT:   %e2m1, %e2m1_scale, %bf16, %bf16_scale, %sums = "test.op"()
// CHECK-NEXT:   %scaled = tl.dot_scaled %e2m1 scale %e2m1_scale, %bf16 scale %bf16_scale, %sums : tensor<16x64xi8>, tensor<16x4xi8>, tensor<128x8xbf16>, tensor<8x4xi8>, tensor<16x8xf32>
// CHECK-NEXT: }

%e2m1, %e2m1_scale, %bf16, %bf16_scale, %sums = "test.op"() : () -> (tensor<16x64xi8>, tensor<16x4xi8>, tensor<128x8xbf16>, tensor<8x4xi8>, tensor<16x8xf32>)
%scaled = tl.dot_scaled %e2m1 scale %e2m1_scale, %bf16 scale %bf16_scale, %sums : tensor<16x64xi8>, tensor<16x4xi8>, tensor<128x8xbf16>, tensor<8x4xi8>, tensor<16x8xf32>
