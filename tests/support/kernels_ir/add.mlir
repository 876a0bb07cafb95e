// out = x + y, both dims tiled; all sizes odd, so edge tiles are partial in both dims.
!block = tensor<?x?xf32, #tile.dims<b0, b1>>
!ref = !tile.ref<[37, 53], [53, 1], f32, align 16>
builtin.module {
  tile.kernel @add attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %y: !ref, %out: !ref):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    %n = arith.constant 53 : i32
    tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i32, i32 {
    ^bb1(%tile_m: !tile.tile<b0>, %tile_n: !tile.tile<b1>):
      %xv = tile.load %x[%tile_m, %tile_n] : !ref[!tile.tile<b0>, !tile.tile<b1>] -> !block
      %yv = tile.load %y[%tile_m, %tile_n] : !ref[!tile.tile<b0>, !tile.tile<b1>] -> !block
      %sum = arith.addf %xv, %yv : !block
      tile.store %sum, %out[%tile_m, %tile_n] : !block, !ref[!tile.tile<b0>, !tile.tile<b1>]
      tile.yield
    }
  }
}
