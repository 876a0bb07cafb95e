// RUN: helion-opt %s | helion-opt | filecheck %s
// RUN: helion-opt %s --print-op-generic | helion-opt | filecheck %s
// RUN: helion-opt %s --print-debuginfo | helion-opt | filecheck %s

%zero, %row, %v, %w, %i = "test.op"() : () -> (f32, tensor<64xf32>, tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x8xi32, #tile.dims<b0, 8>>)

// CHECK: %init = value.splat %zero : f32 -> tensor<?x64xf32, #tile.dims<b0, 64>>
%init = value.splat %zero : f32 -> tensor<?x64xf32, #tile.dims<b0, 64>>
// CHECK: %line = value.expand_dims %row {axis = #builtin.int<0>} : tensor<64xf32> -> tensor<1x64xf32>
%line = value.expand_dims %row {axis = #builtin.int<0>} : tensor<64xf32> -> tensor<1x64xf32>
// CHECK: %wide = value.broadcast %line {implicit} : tensor<1x64xf32> -> tensor<?x64xf32, #tile.dims<b0, 64>>
%wide = value.broadcast %line {implicit} : tensor<1x64xf32> -> tensor<?x64xf32, #tile.dims<b0, 64>>
// CHECK: %turned = value.permute %v {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<64x?xf32, #tile.dims<64, b0>>
%turned = value.permute %v {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<64x?xf32, #tile.dims<64, b0>>
// CHECK: %flat = value.reshape %v : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?xf32, #tile.dims<"64*b0">>
%flat = value.reshape %v : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?xf32, #tile.dims<"64*b0">>
// CHECK: %pair = value.join %v, %w : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64x2xf32, #tile.dims<b0, 64, 2>>
%pair = value.join %v, %w : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64x2xf32, #tile.dims<b0, 64, 2>>
// CHECK: %first, %second = value.split %pair : tensor<?x64x2xf32, #tile.dims<b0, 64, 2>> -> tensor<?x64xf32, #tile.dims<b0, 64>>
%first, %second = value.split %pair : tensor<?x64x2xf32, #tile.dims<b0, 64, 2>> -> tensor<?x64xf32, #tile.dims<b0, 64>>
// CHECK: %less = value.compare "lt", %first, %second : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64xi1, #tile.dims<b0, 64>>
%less = value.compare "lt", %first, %second : tensor<?x64xf32, #tile.dims<b0, 64>> -> tensor<?x64xi1, #tile.dims<b0, 64>>
// CHECK: %least = value.select %less, %first, %second : tensor<?x64xi1, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>
%least = value.select %less, %first, %second : tensor<?x64xi1, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>
// CHECK: %bits = value.bitcast %least : tensor<?x64xf32, #tile.dims<b0, 64>> to tensor<?x64xi32, #tile.dims<b0, 64>>
%bits = value.bitcast %least : tensor<?x64xf32, #tile.dims<b0, 64>> to tensor<?x64xi32, #tile.dims<b0, 64>>
// CHECK: %cast = value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<b0, 64>> to tensor<?x64xi64, #tile.dims<b0, 64>>
%cast = value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<b0, 64>> to tensor<?x64xi64, #tile.dims<b0, 64>>
// CHECK: %power = value.libdevice "pow"(%v, %w) : (tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>) -> tensor<?x64xf32, #tile.dims<b0, 64>>
%power = value.libdevice "pow"(%v, %w) : (tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x64xf32, #tile.dims<b0, 64>>) -> tensor<?x64xf32, #tile.dims<b0, 64>>
// CHECK: %fetched = value.gather %v, %i {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x8xi32, #tile.dims<b0, 8>> -> tensor<?x8xf32, #tile.dims<b0, 8>>
%fetched = value.gather %v, %i {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<b0, 64>>, tensor<?x8xi32, #tile.dims<b0, 8>> -> tensor<?x8xf32, #tile.dims<b0, 8>>

%seed, %seeds = "test.op"() : () -> (i64, tensor<?x8xi64, #tile.dims<b0, 8>>)
// CHECK: %a, %b, %c, %d = value.philox %seed, %i : i64, tensor<?x8xi32, #tile.dims<b0, 8>> -> tensor<?x8xi32, #tile.dims<b0, 8>>
%a, %b, %c, %d = value.philox %seed, %i : i64, tensor<?x8xi32, #tile.dims<b0, 8>> -> tensor<?x8xi32, #tile.dims<b0, 8>>
// CHECK: %e, %f, %g, %h = value.philox %seeds, %seeds : tensor<?x8xi64, #tile.dims<b0, 8>>, tensor<?x8xi64, #tile.dims<b0, 8>> -> tensor<?x8xi32, #tile.dims<b0, 8>>
%e, %f, %g, %h = value.philox %seeds, %seeds : tensor<?x8xi64, #tile.dims<b0, 8>>, tensor<?x8xi64, #tile.dims<b0, 8>> -> tensor<?x8xi32, #tile.dims<b0, 8>>
"test.op"() ({
^bb0(%left: f32):
  // CHECK: value.combined %left : f32
  value.combined %left : f32
}) : () -> ()
// CHECK: value.print "x:"(%seed, %i : i64, tensor<?x8xi32, #tile.dims<b0, 8>>)
value.print "x:"(%seed, %i : i64, tensor<?x8xi32, #tile.dims<b0, 8>>)
// CHECK: value.print "here"
value.print "here"
