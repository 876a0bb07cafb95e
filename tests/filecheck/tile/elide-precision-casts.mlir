// RUN: helion-opt %s -p elide-precision-casts | filecheck %s

// A value that is rounded only to be widened again stays wide.
%wide = "test.op"() : () -> tensor<4x8xf32>
%half = arith.truncf %wide : tensor<4x8xf32> to tensor<4x8xbf16>
%again = arith.extf %half : tensor<4x8xbf16> to tensor<4x8xf32>
"test.op"(%again) : (tensor<4x8xf32>) -> ()
// CHECK:      %wide = "test.op"() : () -> tensor<4x8xf32>
// CHECK-NEXT: "test.op"(%wide) : (tensor<4x8xf32>) -> ()

// … through views and selects of it as well.
%other = "test.op"() : () -> tensor<8x4xf32>
%cond = "test.op"() : () -> tensor<8x4xi1>
%half2 = arith.truncf %wide : tensor<4x8xf32> to tensor<4x8xbf16>
%turned = tile.permute %half2 {order = array<i64: 1, 0>} : tensor<4x8xbf16> -> tensor<8x4xbf16>
%half3 = arith.truncf %other : tensor<8x4xf32> to tensor<8x4xbf16>
%chosen = tile.select %cond, %turned, %half3 : tensor<8x4xi1>, tensor<8x4xbf16>
%wide2 = arith.extf %chosen : tensor<8x4xbf16> to tensor<8x4xf32>
"test.op"(%wide2) : (tensor<8x4xf32>) -> ()
// CHECK-NEXT: %other = "test.op"() : () -> tensor<8x4xf32>
// CHECK-NEXT: %cond = "test.op"() : () -> tensor<8x4xi1>
// CHECK-NEXT: %turned = tile.permute %wide {order = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
// CHECK-NEXT: %chosen = tile.select %cond, %turned, %other : tensor<8x4xi1>, tensor<8x4xf32>
// CHECK-NEXT: "test.op"(%chosen) : (tensor<8x4xf32>) -> ()

// Not from f64 to f32 through f16, and not what is loaded as half.
%double = "test.op"() : () -> f64
%h = arith.truncf %double : f64 to f16
%f = arith.extf %h : f16 to f32
"test.op"(%f) : (f32) -> ()
// CHECK-NEXT: %double = "test.op"() : () -> f64
// CHECK-NEXT: %h = arith.truncf %double : f64 to f16
// CHECK-NEXT: %f = arith.extf %h : f16 to f32
