// RUN: helion-opt %s -p prepare-for-print -t "triton{comments=false}" | filecheck %s

// Ops that are no expressions of their operands: functions of the module, or statements.
tl.func @rows attributes {arg_names = ["out", "ids", "counter"], arg_exprs = ["out", "ids", "counter"], constexprs = {}, host = "", options = {}} {
^bb0(%out: !tl.ptr<f32>, %ids: !tl.ptr<i32>, %counter: !tl.ptr<i32>):
  tl.pdl_wait
  %lanes = tl.arange : tensor<64xi32>
  %seed = arith.constant 7 : i64
  %a, %b, %c, %d = value.philox %seed, %lanes : i64, tensor<64xi32> -> tensor<64xi32>
  value.print "bits:"(%a : tensor<64xi32>)
  value.print "here"
  %order = tl.argsort %b {axis = #builtin.int<0>} : tensor<64xi32> -> tensor<64xi32>
  tl.store %order, %ids[%lanes] : tensor<64xi32>, !tl.ptr<i32>[tensor<64xi32>]
  tl.pdl_launch_dependents
  tl.grid_barrier %counter : !tl.ptr<i32>
  tl.atomic_wait "acquire" "sys" %lanes, %ids[%lanes] update %order : tensor<64xi32> : tensor<64xi32>, !tl.ptr<i32>[tensor<64xi32>]
  %c0 = arith.constant 0 : i8
  %c1_5 = arith.constant 1.5 : bf16
  %zero = arith.constant 0.0 : f32
  %e2m1 = value.splat %c0 : i8 -> tensor<16x64xi8>
  %e2m1_scale = value.splat %c0 : i8 -> tensor<16x4xi8>
  %bf16 = value.splat %c1_5 : bf16 -> tensor<128x8xbf16>
  %bf16_scale = value.splat %c0 : i8 -> tensor<8x4xi8>
  %sums = value.splat %zero : f32 -> tensor<16x8xf32>
  %scaled = tl.dot_scaled %e2m1 scale %e2m1_scale, %bf16 scale %bf16_scale, %sums : tensor<16x64xi8>, tensor<16x4xi8>, tensor<128x8xbf16>, tensor<8x4xi8>, tensor<16x8xf32>
  %total = tl.reduce "sum" %scaled {axis = #builtin.int<1>} : tensor<16x8xf32> -> tensor<16xf32>
  %rows = tl.arange : tensor<16xi32>
  tl.store %total, %out[%rows] : tensor<16xf32>, !tl.ptr<f32>[tensor<16xi32>]
  tl.return
} grid {
^bb0(%out: !tl.ptr<f32>, %ids: !tl.ptr<i32>, %counter: !tl.ptr<i32>):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK:      def _rows(out, ids, counter):
// CHECK-NEXT:     _pdl_wait(_PDL)
// CHECK-NEXT:     lanes = tl.arange(0, 64)
// CHECK-NEXT:     a, b, c, d = _philox(tl.full([], 7, tl.int64), lanes)
// CHECK-NEXT:     tl.device_print('bits:', a)
// CHECK-NEXT:     tl.device_print('here')
// CHECK-NEXT:     order = _argsort(b, 1, 64)
// CHECK-NEXT:     tl.store(ids + lanes, order)
// CHECK-NEXT:     _pdl_launch_dependents(_PDL)
// CHECK-NEXT:     _grid_barrier(counter)
// CHECK-NEXT:     _wait_for_each(ids + lanes, lanes, order, None, SEM="acquire", SCOPE="sys")
// CHECK-NEXT:     e2m1 = tl.full([16, 64], 0, tl.int8)
// CHECK-NEXT:     e2m1_scale = tl.full([16, 4], 0, tl.int8)
// CHECK-NEXT:     bf16 = tl.full([128, 8], 1.5, tl.bfloat16)
// CHECK-NEXT:     bf16_scale = tl.full([8, 4], 0, tl.int8)
// CHECK-NEXT:     sums = tl.full([16, 8], 0.0, tl.float32)
// CHECK-NEXT:     scaled = tl.dot_scaled(e2m1.to(tl.uint8, bitcast=True), e2m1_scale.to(tl.uint8, bitcast=True), "e2m1", bf16, bf16_scale.to(tl.uint8, bitcast=True), "bf16", acc=sums)
// CHECK-NEXT:     total = tl.sum(scaled, 1)
// CHECK-NEXT:     rows_1 = tl.arange(0, 16)
// CHECK-NEXT:     tl.store(out + rows_1, total)
