// RUN: helion-opt %s -p prepare-for-print -t 'triton{comments=false}' | filecheck %s

// All memory is offsets from address 0.
tl.func @read attributes {arg_names = ["addresses", "out"], arg_exprs = ["addresses", "out"], constexprs = {}, host = "", options = {}} {
^bb0(%addresses: !tl.ptr<i64>, %out: !tl.ptr<f32>):
  %lanes = tl.arange : tensor<4xi32>
  %address = tl.load %addresses[%lanes] : !tl.ptr<i64>[tensor<4xi32>] -> tensor<4xi64>
  %memory = tl.address_zero : !tl.ptr<f32>
  %value = tl.load %memory[%address] : !tl.ptr<f32>[tensor<4xi64>] -> tensor<4xf32>
  tl.store %value, %out[%lanes] : tensor<4xf32>, !tl.ptr<f32>[tensor<4xi32>]
  tl.return
} grid {
^bb0(%addresses: !tl.ptr<i64>, %out: !tl.ptr<f32>):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK:      def _read(addresses, out):
// CHECK:          memory = tl.cast(0, tl.int64).to(tl.pointer_type(tl.float32))
// CHECK-NEXT:     value = tl.load(memory + address)
