// out = (x - mean) * rsqrt(var + eps) * w over full rows; the mean is stored too.
!t = tensor<?x53xf32, #tile.dims<b0, 53>>
!col = tensor<?xf32, #tile.dims<b0>>
!keep = tensor<?x1xf32, #tile.dims<b0, 1>>
!ref = !tile.ref<[37, 53], [53, 1], f32, align 16>
!wref = !tile.ref<[53], [1], f32, align 16>
!mref = !tile.ref<[37], [1], f32, align 16>
builtin.module {
  tile.kernel @rows_layer_norm attributes {arg_names = ["x", "w", "out", "means", "eps"], arg_exprs = ["x", "w", "out", "means", "eps"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %w: !wref, %out: !ref, %means: !mref, %eps: f32):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    tile.grid (%c0) to (%m) by <b0> : i32 {
    ^bb1(%tile_m: !tile.tile<b0>):
      %all = tile.whole : !tile.tile<53>
      %wv = tile.load %w[%all] : !wref[!tile.tile<53>] -> tensor<53xf32>
      %v = tile.load %x[%tile_m, %all] : !ref[!tile.tile<b0>, !tile.tile<53>] -> !t
      %sum = tile.reduce "sum" %v over %all {axis = #builtin.int<1>} : !t, !tile.tile<53> -> !col
      %n = arith.constant 53.0 : f32
      %n_b = value.splat %n : f32 -> !col
      %mean = arith.divf %sum, %n_b : !col
      tile.store %mean, %means[%tile_m] : !col, !mref[!tile.tile<b0>]
      %mean_k = value.expand_dims %mean {axis = #builtin.int<1>} : !col -> !keep
      %mean_b = value.broadcast %mean_k : !keep -> !t
      %d = arith.subf %v, %mean_b : !t
      %dd = arith.mulf %d, %d : !t
      %sq = tile.reduce "sum" %dd over %all {axis = #builtin.int<1>} : !t, !tile.tile<53> -> !col
      %var = arith.divf %sq, %n_b : !col
      %eps_b = value.splat %eps : f32 -> !col
      %var_eps = arith.addf %var, %eps_b : !col
      %rstd = math.rsqrt %var_eps : !col
      %rstd_k = value.expand_dims %rstd {axis = #builtin.int<1>} : !col -> !keep
      %rstd_b = value.broadcast %rstd_k : !keep -> !t
      %normed = arith.mulf %d, %rstd_b : !t
      %w_k = value.expand_dims %wv {axis = #builtin.int<0>} : tensor<53xf32> -> tensor<1x53xf32>
      %w_b = value.broadcast %w_k : tensor<1x53xf32> -> !t
      %res = arith.mulf %normed, %w_b : !t
      tile.store %res, %out[%tile_m, %all] : !t, !ref[!tile.tile<b0>, !tile.tile<53>]
      tile.yield
    }
  }
}
