// out = softmax(x, dim=1) in f16, computed in f32; the row is one whole tile.
!half = tensor<?x53xf16, #tile.dims<b0, 53>>
!row = tensor<?x53xf32, #tile.dims<b0, 53>>
!col = tensor<?xf32, #tile.dims<b0>>
!keep = tensor<?x1xf32, #tile.dims<b0, 1>>
!ref = !tile.ref<[37, 53], [53, 1], f16, align 16>
builtin.module {
  tile.kernel @softmax attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %out: !ref):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    tile.grid (%c0) to (%m) by <b0> : i32 {
    ^bb1(%tile_m: !tile.tile<b0>):
      %all = tile.whole : !tile.tile<53>
      %h = tile.load %x[%tile_m, %all] : !ref[!tile.tile<b0>, !tile.tile<53>] -> !half
      %v = arith.extf %h : !half to !row
      %max = tile.reduce "max" %v over %all {axis = #builtin.int<1>} : !row, !tile.tile<53> -> !col
      %max_k = value.expand_dims %max {axis = #builtin.int<1>} : !col -> !keep
      %max_b = value.broadcast %max_k : !keep -> !row
      %shifted = arith.subf %v, %max_b : !row
      %e = math.exp %shifted : !row
      %sum = tile.reduce "sum" %e over %all {axis = #builtin.int<1>} : !row, !tile.tile<53> -> !col
      %sum_k = value.expand_dims %sum {axis = #builtin.int<1>} : !col -> !keep
      %sum_b = value.broadcast %sum_k : !keep -> !row
      %p = arith.divf %e, %sum_b : !row
      %ph = arith.truncf %p : !row to !half
      tile.store %ph, %out[%tile_m, %all] : !half, !ref[!tile.tile<b0>, !tile.tile<53>]
      tile.yield
    }
  }
}
