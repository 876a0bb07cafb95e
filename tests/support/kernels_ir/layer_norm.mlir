// out = (x - mean) * rsqrt(var + eps) * w, with the row in chunks of b1 (two passes); eps is a kernel argument.
!t = tensor<?x?xf32, #tile.dims<b0, b1>>
!col = tensor<?xf32, #tile.dims<b0>>
!keep = tensor<?x1xf32, #tile.dims<b0, 1>>
!wt = tensor<?xf32, #tile.dims<b1>>
!wk = tensor<1x?xf32, #tile.dims<1, b1>>
!ref = !tile.ref<[37, 53], [53, 1], f32, align 16>
!wref = !tile.ref<[53], [1], f32, align 16>
builtin.module {
  tile.kernel @layer_norm attributes {arg_names = ["x", "w", "out", "eps"], arg_exprs = ["x", "w", "out", "eps"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %w: !wref, %out: !ref, %eps: f32):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    %n = arith.constant 53 : i32
    tile.grid (%c0) to (%m) by <b0> : i32 {
    ^bb1(%tile_m: !tile.tile<b0>):
      %zero = arith.constant 0.0 : f32
      %count = arith.sitofp %n : i32 to f32
      %init = value.splat %zero : f32 -> !col
      %count_b = value.splat %count : f32 -> !col
      %sums:2 = tile.for (%c0) to (%n) by <b1> : i32 iter_args(%init, %init) : !col, !col {
      ^bb2(%tile_n: !tile.tile<b1>, %s: !col, %q: !col):
        %v = tile.load %x[%tile_m, %tile_n] : !ref[!tile.tile<b0>, !tile.tile<b1>] -> !t
        %vv = arith.mulf %v, %v : !t
        %ps = tile.reduce "sum" %v over %tile_n {axis = #builtin.int<1>} : !t, !tile.tile<b1> -> !col
        %pq = tile.reduce "sum" %vv over %tile_n {axis = #builtin.int<1>} : !t, !tile.tile<b1> -> !col
        %s2 = arith.addf %s, %ps : !col
        %q2 = arith.addf %q, %pq : !col
        tile.yield %s2, %q2 : !col, !col
      }
      %mean = arith.divf %sums#0, %count_b : !col
      %meansq = arith.divf %sums#1, %count_b : !col
      %mm = arith.mulf %mean, %mean : !col
      %var = arith.subf %meansq, %mm : !col
      %eps_b = value.splat %eps : f32 -> !col
      %var_eps = arith.addf %var, %eps_b : !col
      %rstd = math.rsqrt %var_eps : !col
      %mean_k = value.expand_dims %mean {axis = #builtin.int<1>} : !col -> !keep
      %mean_b = value.broadcast %mean_k : !keep -> !t
      %rstd_k = value.expand_dims %rstd {axis = #builtin.int<1>} : !col -> !keep
      %rstd_b = value.broadcast %rstd_k : !keep -> !t
      tile.for (%c0) to (%n) by <b1> : i32 {
      ^bb3(%tile_k: !tile.tile<b1>):
        %v2 = tile.load %x[%tile_m, %tile_k] : !ref[!tile.tile<b0>, !tile.tile<b1>] -> !t
        %centered = arith.subf %v2, %mean_b : !t
        %normal = arith.mulf %centered, %rstd_b : !t
        %wv = tile.load %w[%tile_k] : !wref[!tile.tile<b1>] -> !wt
        %w_k = value.expand_dims %wv {axis = #builtin.int<0>} : !wt -> !wk
        %w_b = value.broadcast %w_k : !wk -> !t
        %scaled = arith.mulf %normal, %w_b : !t
        tile.store %scaled, %out[%tile_m, %tile_k] : !t, !ref[!tile.tile<b0>, !tile.tile<b1>]
        tile.yield
      }
      tile.yield
    }
  }
}
