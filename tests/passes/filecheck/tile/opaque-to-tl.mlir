// RUN: helion-opt %s -p 'map-program-ids{pid_type=persistent_interleaved},convert-tile-to-tl,prepare-for-print' -t triton | filecheck %s
// RUN: helion-opt %s -p 'drop-unit-dims' | filecheck %s --check-prefix=DROP

// Opaque ops keep their text; tiles become positions, refs pointers, tuples tuples of pointers. Pure ones are merged
// and leave loops, the others stay where they are, as often as they are. Each function is there once.
// CHECK:      def touch(a, b, c, d):
// CHECK:      def scaled(x, flag):
// CHECK:      def _k(bufs, _BLOCK_SIZE_0: tl.constexpr, _BLOCK_SIZE_1: tl.constexpr, _NUM_SM: tl.constexpr):
// CHECK:          first = bufs[0]
// CHECK:          for virtual_pid in range(
// CHECK:              tile_index = tile_begin + lanes
// CHECK-NEXT:         tl.device_assert(tile_index >= 0)
// CHECK-NEXT:         #
// CHECK-NEXT:         pure = tile_index + 1
// CHECK:              pack = (first, tile_index)
// CHECK:              for i in tl.static_range(0, 2):
// CHECK-NEXT:             #
// CHECK-NEXT:             t = tl.load(first + tile_index)
// CHECK-NEXT:             value = t * 2
// CHECK-NEXT:             #
// CHECK-NEXT:             t = tl.load(first + tile_index)
// CHECK-NEXT:             again = t * 2
// CHECK-NEXT:             #
// CHECK-NEXT:             peer = bufs[1 - i]
// CHECK:                  touch(bufs, pack, pure, peer)
// CHECK:                  scaled(peer, pure)
// CHECK:      _NUM_SM = (torch.cuda.get_device_properties(bufs[0].device)

// Text sees the shapes that it was written for, whatever the block size is.
// DROP:      %[[LANE:.*]] = {{.*}} -> tensor<?xf32, #tile.dims<b1>>
// DROP-NEXT: %[[COLUMN:.*]] = inline_triton.snippet "{0}[:, None]"(%[[LANE]]) : (tensor<?xf32, #tile.dims<b1>>) -> tensor<?x1xf32, #tile.dims<b1, 1>>
// DROP-NEXT: {{.*}}value.reshape %[[COLUMN]]
!r = !tile.ref<[64], [1], f32, align 16>
!p = tensor<?xi32, #tile.dims<b0>>
!v = tensor<?xf32, #tile.dims<b0>>
tile.kernel @k attributes {arg_names = ["bufs"], arg_exprs = ["bufs"], symbols = {}, blocks = {b0 = #tile.block<16, 16>, b1 = #tile.block<1, 1>}, host = "def k(bufs):\n    __launch__()\n", index_type = i32} {
^bb0(%bufs: tuple<!r, !r>):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !tile.tile<b0>):
    inline_triton.snippet "tl.device_assert({0} >= 0)"(%tile) : (!tile.tile<b0>) -> ()
    %first = inline_triton.element %bufs[%c0] : tuple<!r, !r>, i32 -> !r
    tile.for static (%c0) to (%c2) by <1> : i32 {
    ^bb2(%i: i32):
      %pure = inline_triton.snippet pure "{0} + 1"(%tile) : (!tile.tile<b0>) -> !p
      %same = inline_triton.snippet pure "{0} + 1"(%tile) : (!tile.tile<b0>) -> !p
      %value = inline_triton.snippet "t = tl.load({0} + {1})\nt * 2"(%first, %tile) : (!r, !tile.tile<b0>) -> !v
      %again = inline_triton.snippet "t = tl.load({0} + {1})\nt * 2"(%first, %tile) : (!r, !tile.tile<b0>) -> !v
      %other = arith.subi %c1, %i : i32
      %peer = inline_triton.element %bufs[%other] : tuple<!r, !r>, i32 -> !r
      %pack = inline_triton.tuple(%first, %tile) : (!r, !tile.tile<b0>) -> tuple<!r, !tile.tile<b0>>
      inline_triton.call "touch" source "@triton.jit\ndef touch(a, b, c, d):\n    scaled(d, c)\n" (%bufs, %pack, %pure, %peer) : (tuple<!r, !r>, tuple<!r, !tile.tile<b0>>, !p, !r) -> ()
      inline_triton.call "scaled" source "@triton.jit\ndef scaled(x, flag):\n    tl.store(x, flag)\n" (%peer, %same) : (!r, !p) -> ()
      tile.yield
    }
    %one = arith.constant 1.0 : f32
    %lane = value.splat %one : f32 -> tensor<?xf32, #tile.dims<b1>>
    %column = inline_triton.snippet "{0}[:, None]"(%lane) : (tensor<?xf32, #tile.dims<b1>>) -> tensor<?x1xf32, #tile.dims<b1, 1>>
    tile.yield
  }
}
