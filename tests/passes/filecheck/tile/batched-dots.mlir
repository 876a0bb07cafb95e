// RUN: helion-opt %s | filecheck %s
// RUN: helion-opt %s -p 'assign-block-sizes{block_sizes=4},convert-tile-to-tl' | filecheck %s --check-prefix=TL

// A matrix on the right is that of every batch; several batch axes must be alike.
// CHECK: %shared = tile.dot %v, %w, %zero over %all
// CHECK: %batched = tile.dot %shared, %u, %more over %some

// Batches of one right hand side are rows of it: 4 * 2 * 4 of them, 3 of the last 4 valid.
// TL: %[[ROWS:.*]] = value.reshape %{{.*}} : {{.*}} -> tensor<?x16xf32, #tile.dims<"8*_BLOCK_SIZE_0", 16>>
// TL: tl.dot %[[ROWS]], %{{.*}}, %{{.*}}
// TL: value.reshape {{.*}} -> tensor<?x2x4x16xf32, #tile.dims<_BLOCK_SIZE_0, 2, 4, 16>>

// Two batch axes are one.
// TL: value.reshape {{.*}} -> tensor<?x16x16xf32, #tile.dims<"2*_BLOCK_SIZE_0", 16, 16>>
// TL: tl.dot {{.*}} : tensor<?x4x16xf32, #tile.dims<"2*_BLOCK_SIZE_0", 4, 16>>

tile.kernel @products attributes {arg_names = ["x", "y", "z", "out"], arg_exprs = ["x", "y", "z", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[8, 2, 3, 16], [96, 48, 16, 1], f32, align 16>, %y: !tile.ref<[16, 16], [16, 1], f32, align 16>, %z: !tile.ref<[8, 2, 16, 16], [512, 256, 16, 1], f32, align 16>, %out: !tile.ref<[8, 2, 3, 16], [96, 48, 16, 1], f32, align 16>):
  %c0 = arith.constant 0 : i32
  %m = arith.constant 8 : i32
  tile.grid (%c0) to (%m) by <b0> : i32 {
  ^bb1(%i: !tile.tile<b0>):
    %two = tile.whole : !tile.tile<2>
    %three = tile.whole : !tile.tile<3>
    %all = tile.whole : !tile.tile<16>
    %some = tile.whole : !tile.tile<16>
    %f0 = arith.constant 0.0 : f32
    %v = tile.load %x[%i, %two, %three, %all] : !tile.ref<[8, 2, 3, 16], [96, 48, 16, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<2>, !tile.tile<3>, !tile.tile<16>] -> tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>
    %w = tile.load %y[%all, %some] : !tile.ref<[16, 16], [16, 1], f32, align 16>[!tile.tile<16>, !tile.tile<16>] -> tensor<16x16xf32>
    %u = tile.load %z[%i, %two, %some, %all] : !tile.ref<[8, 2, 16, 16], [512, 256, 16, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<2>, !tile.tile<16>, !tile.tile<16>] -> tensor<?x2x16x16xf32, #tile.dims<b0, 2, 16, 16>>
    %zero = value.splat %f0 : f32 -> tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>
    %shared = tile.dot %v, %w, %zero over %all : tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>, tensor<16x16xf32>, tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>, !tile.tile<16>
    %more = value.splat %f0 : f32 -> tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>
    %batched = tile.dot %shared, %u, %more over %some : tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>, tensor<?x2x16x16xf32, #tile.dims<b0, 2, 16, 16>>, tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>, !tile.tile<16>
    tile.store %batched, %out[%i, %two, %three, %all] : tensor<?x2x3x16xf32, #tile.dims<b0, 2, 3, 16>>, !tile.ref<[8, 2, 3, 16], [96, 48, 16, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<2>, !tile.tile<3>, !tile.tile<16>]
    tile.yield
  }
}
