// out[i, :] = table[ids[i], :] with 64-bit positions; padding lanes of ids must not be used as addresses.
!ids = tensor<?xi64, #tile.dims<b0>>
!t = tensor<?x?xf32, #tile.dims<b0, b1>>
builtin.module {
  tile.kernel @embedding attributes {arg_names = ["ids", "table", "out"], arg_exprs = ["ids", "table", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, none>}, host = "", index_type = i64} {
  ^bb0(%ids: !tile.ref<[37], [1], i64, align 16>, %table: !tile.ref<[101, 53], [53, 1], f32, align 16>, %out: !tile.ref<[37, 53], [53, 1], f32, align 16>):
    %c0 = arith.constant 0 : i64
    %m = arith.constant 37 : i64
    %n = arith.constant 53 : i64
    tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i64, i64 {
    ^bb1(%tile_m: !tile.tile<b0>, %tile_n: !tile.tile<b1>):
      %rows = tile.load %ids[%tile_m] : !tile.ref<[37], [1], i64, align 16>[!tile.tile<b0>] -> !ids
      %v = tile.load %table[%rows, %tile_n] tiles(%tile_m : !tile.tile<b0>) : !tile.ref<[101, 53], [53, 1], f32, align 16>[!ids, !tile.tile<b1>] -> !t
      tile.store %v, %out[%tile_m, %tile_n] : !t, !tile.ref<[37, 53], [53, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>]
      tile.yield
    }
  }
}
