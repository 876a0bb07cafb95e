// The first maximum of each row, its position, and the row's mean distance from it.
!t = tensor<?x53xf32, #tile.dims<b0, 53>>
!col = tensor<?xf32, #tile.dims<b0>>
!icol = tensor<?xi64, #tile.dims<b0>>
!ref = !tile.ref<[37, 53], [53, 1], f32, align 16>
!mref = !tile.ref<[37], [1], f32, align 16>
!iref = !tile.ref<[37], [1], i64, align 16>
builtin.module {
  tile.kernel @rows_argmax attributes {arg_names = ["x", "values", "indices", "sums"], arg_exprs = ["x", "values", "indices", "sums"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %values: !mref, %indices: !iref, %sums: !mref):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    tile.grid (%c0) to (%m) by <b0> : i32 {
    ^bb1(%tile_m: !tile.tile<b0>):
      %all = tile.whole : !tile.tile<53>
      %v = tile.load %x[%tile_m, %all] : !ref[!tile.tile<b0>, !tile.tile<53>] -> !t
      %best, %at = tile.arg_reduce "max" %v over %all {axis = #builtin.int<1>} : !t, !tile.tile<53> -> !col, !icol
      tile.store %best, %values[%tile_m] : !col, !mref[!tile.tile<b0>]
      tile.store %at, %indices[%tile_m] : !icol, !iref[!tile.tile<b0>]
      %best_k = value.expand_dims %best {axis = #builtin.int<1>} : !col -> tensor<?x1xf32, #tile.dims<b0, 1>>
      %best_b = value.broadcast %best_k : tensor<?x1xf32, #tile.dims<b0, 1>> -> !t
      %d = arith.subf %best_b, %v : !t
      %s = tile.reduce "sum" %d over %all {axis = #builtin.int<1>} : !t, !tile.tile<53> -> !col
      tile.store %s, %sums[%tile_m] : !col, !mref[!tile.tile<b0>]
      tile.yield
    }
  }
}
