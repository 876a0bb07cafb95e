// RUN: helion-opt %s -p elide-precision-casts | filecheck %s

// A value that is rounded only to be widened again stays wide.
%wide = "test.op"() : () -> tensor<4x8xf32>
%half = arith.truncf %wide {elidable} : tensor<4x8xf32> to tensor<4x8xbf16>
%again = arith.extf %half : tensor<4x8xbf16> to tensor<4x8xf32>
"test.op"(%again) : (tensor<4x8xf32>) -> ()
// CHECK:      %wide = "test.op"() : () -> tensor<4x8xf32>
// CHECK-NEXT: "test.op"(%wide) : (tensor<4x8xf32>) -> ()

// … through views and selects of it as well.
%other = "test.op"() : () -> tensor<8x4xf32>
%cond = "test.op"() : () -> tensor<8x4xi1>
%half2 = arith.truncf %wide {elidable} : tensor<4x8xf32> to tensor<4x8xbf16>
%turned = value.permute %half2 {order = array<i64: 1, 0>} : tensor<4x8xbf16> -> tensor<8x4xbf16>
%half3 = arith.truncf %other {elidable} : tensor<8x4xf32> to tensor<8x4xbf16>
%chosen = value.select %cond, %turned, %half3 : tensor<8x4xi1>, tensor<8x4xbf16>
%wide2 = arith.extf %chosen : tensor<8x4xbf16> to tensor<8x4xf32>
"test.op"(%wide2) : (tensor<8x4xf32>) -> ()
// CHECK-NEXT: %other = "test.op"() : () -> tensor<8x4xf32>
// CHECK-NEXT: %cond = "test.op"() : () -> tensor<8x4xi1>
// CHECK-NEXT: %turned = value.permute %wide {order = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
// CHECK-NEXT: %chosen = value.select %cond, %turned, %other : tensor<8x4xi1>, tensor<8x4xf32>
// CHECK-NEXT: "test.op"(%chosen) : (tensor<8x4xf32>) -> ()

// Not from f64 to f32 through f16, and not what is loaded as half.
%double = "test.op"() : () -> f64
%h = arith.truncf %double {elidable} : f64 to f16
%f = arith.extf %h : f16 to f32
"test.op"(%f) : (f32) -> ()
// CHECK-NEXT: %double = "test.op"() : () -> f64
// CHECK-NEXT: %h = arith.truncf %double : f64 to f16
// CHECK-NEXT: %f = arith.extf %h : f16 to f32

// What the user wrote rounds, also a value that stayed wide until then; the mark is gone.
%single = "test.op"() : () -> f32
%quantized = arith.truncf %single : f32 to f8E4M3FN
%again2 = arith.extf %quantized : f8E4M3FN to f32
%kept = arith.truncf %single {elidable} : f32 to bf16
%wide3 = arith.extf %kept : bf16 to f32
%rounded = arith.truncf %wide3 : f32 to bf16
%again3 = arith.extf %rounded : bf16 to f32
"test.op"(%again2, %again3) : (f32, f32) -> ()
// CHECK:      %single = "test.op"() : () -> f32
// CHECK-NEXT: %quantized = arith.truncf %single : f32 to f8E4M3FN
// CHECK-NEXT: %again2 = arith.extf %quantized : f8E4M3FN to f32
// CHECK-NEXT: %rounded = arith.truncf %single : f32 to bf16
// CHECK-NEXT: %again3 = arith.extf %rounded : bf16 to f32
// CHECK-NEXT: "test.op"(%again2, %again3) : (f32, f32) -> ()

// Narrowing what was only widened is nothing.
%loaded = "test.op"() : () -> f16
%wide4 = arith.extf %loaded : f16 to f32
%back = arith.truncf %wide4 : f32 to f16
"test.op"(%back) : (f16) -> ()
// CHECK-NEXT: %loaded = "test.op"() : () -> f16
// CHECK-NEXT: "test.op"(%loaded) : (f16) -> ()
