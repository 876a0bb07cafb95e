// Causal attention of one head, online softmax; the inner loop ends at the end of the query tile (a run-time bound).
!q = tensor<?x24xf32, #tile.dims<b0, 24>>
!k = tensor<?x24xf32, #tile.dims<b1, 24>>
!kt = tensor<24x?xf32, #tile.dims<24, b1>>
!s = tensor<?x?xf32, #tile.dims<b0, b1>>
!sb = tensor<?x?xi1, #tile.dims<b0, b1>>
!si = tensor<?x?xi32, #tile.dims<b0, b1>>
!col = tensor<?xf32, #tile.dims<b0>>
!keep = tensor<?x1xf32, #tile.dims<b0, 1>>
!qi = tensor<?xi32, #tile.dims<b0>>
!qik = tensor<?x1xi32, #tile.dims<b0, 1>>
!ki = tensor<?xi32, #tile.dims<b1>>
!kik = tensor<1x?xi32, #tile.dims<1, b1>>
!ref = !tile.ref<[61, 24], [24, 1], f32, align 16>
builtin.module {
  tile.kernel @attention attributes {arg_names = ["q", "k", "v", "out"], arg_exprs = ["q", "k", "v", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%q: !ref, %k: !ref, %v: !ref, %out: !ref):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 61 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile_q: !tile.tile<b0>):
      %d = tile.whole : !tile.tile<24>
      %zero = arith.constant 0.0 : f32
      %minus = arith.constant -1.0e+30 : f32
      %qv = tile.load %q[%tile_q, %d] : !ref[!tile.tile<b0>, !tile.tile<24>] -> !q
      %q_pos = tile.index %tile_q : !tile.tile<b0> -> !qi
      %q_pos_k = value.expand_dims %q_pos {axis = #builtin.int<1>} : !qi -> !qik
      %q_pos_b = value.broadcast %q_pos_k : !qik -> !si
      %end = tile.end %tile_q : !tile.tile<b0> -> i32
      %m0 = value.splat %minus : f32 -> !col
      %l0 = value.splat %zero : f32 -> !col
      %o0 = value.splat %zero : f32 -> !q
      %r:3 = tile.for (%c0) to (%end) by <b1> : i32 iter_args(%m0, %l0, %o0) : !col, !col, !q {
      ^bb2(%tile_k: !tile.tile<b1>, %m: !col, %l: !col, %o: !q):
        %kv = tile.load %k[%tile_k, %d] : !ref[!tile.tile<b1>, !tile.tile<24>] -> !k
        %kt = value.permute %kv {order = array<i64: 1, 0>} : !k -> !kt
        %s0 = value.splat %zero : f32 -> !s
        %s = tile.dot %qv, %kt, %s0 over %d : !q, !kt, !s, !tile.tile<24>
        %k_pos = tile.index %tile_k : !tile.tile<b1> -> !ki
        %k_pos_k = value.expand_dims %k_pos {axis = #builtin.int<0>} : !ki -> !kik
        %k_pos_b = value.broadcast %k_pos_k : !kik -> !si
        %keep = value.compare "le", %k_pos_b, %q_pos_b : !si -> !sb
        %masked_to = value.splat %minus : f32 -> !s
        %sm = value.select %keep, %s, %masked_to : !sb, !s
        %mx = tile.reduce "max" %sm over %tile_k {axis = #builtin.int<1>} : !s, !tile.tile<b1> -> !col
        %m_new = arith.maximumf %m, %mx : !col
        %m_k = value.expand_dims %m_new {axis = #builtin.int<1>} : !col -> !keep
        %m_b = value.broadcast %m_k : !keep -> !s
        %diff = arith.subf %sm, %m_b : !s
        %p = math.exp %diff : !s
        %ps = tile.reduce "sum" %p over %tile_k {axis = #builtin.int<1>} : !s, !tile.tile<b1> -> !col
        %dm = arith.subf %m, %m_new : !col
        %alpha = math.exp %dm : !col
        %la = arith.mulf %l, %alpha : !col
        %l_new = arith.addf %la, %ps : !col
        %alpha_k = value.expand_dims %alpha {axis = #builtin.int<1>} : !col -> !keep
        %alpha_b = value.broadcast %alpha_k : !keep -> !q
        %oa = arith.mulf %o, %alpha_b : !q
        %vv = tile.load %v[%tile_k, %d] : !ref[!tile.tile<b1>, !tile.tile<24>] -> !k
        %o_new = tile.dot %p, %vv, %oa over %tile_k : !s, !k, !q, !tile.tile<b1>
        tile.yield %m_new, %l_new, %o_new : !col, !col, !q
      }
      %l_k = value.expand_dims %r#1 {axis = #builtin.int<1>} : !col -> !keep
      %l_b = value.broadcast %l_k : !keep -> !q
      %res = arith.divf %r#2, %l_b : !q
      tile.store %res, %out[%tile_q, %d] : !q, !ref[!tile.tile<b0>, !tile.tile<24>]
      tile.yield
    }
  }
}
