// x = x - max(x) in place, row by row.
!t = tensor<?x53xf32, #tile.dims<b0, 53>>
!col = tensor<?xf32, #tile.dims<b0>>
!ref = !tile.ref<[37, 53], [53, 1], f32, align 16>
builtin.module {
  tile.kernel @rows_inplace attributes {arg_names = ["x"], arg_exprs = ["x"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    tile.grid (%c0) to (%m) by <b0> : i32 {
    ^bb1(%tile_m: !tile.tile<b0>):
      %all = tile.whole : !tile.tile<53>
      %v = tile.load %x[%tile_m, %all] : !ref[!tile.tile<b0>, !tile.tile<53>] -> !t
      %best = tile.reduce "max" %v over %all {axis = #builtin.int<1>} : !t, !tile.tile<53> -> !col
      %best_k = value.expand_dims %best {axis = #builtin.int<1>} : !col -> tensor<?x1xf32, #tile.dims<b0, 1>>
      %best_b = value.broadcast %best_k : tensor<?x1xf32, #tile.dims<b0, 1>> -> !t
      %d = arith.subf %v, %best_b : !t
      tile.store %d, %x[%tile_m, %all] : !t, !ref[!tile.tile<b0>, !tile.tile<53>]
      tile.yield
    }
  }
}
