// out = x @ y with dynamic sizes: bf16 operands, f32 accumulator, a loop over K.
!acc = tensor<?x?xf32, #tile.dims<b0, b1>>
!xt = tensor<?x?xbf16, #tile.dims<b0, b2>>
!yt = tensor<?x?xbf16, #tile.dims<b2, b1>>
!x = !tile.ref<[s0, s1], [s1, 1], bf16, align 16>
!y = !tile.ref<[s1, s2], [s2, 1], bf16, align 16>
!out = !tile.ref<[s0, s2], [s2, 1], f32, align 16>
builtin.module {
  tile.kernel @matmul attributes {arg_names = ["x", "y", "out"], arg_exprs = ["x", "y", "out"], symbols = {s0 = "x.size(0)", s1 = "x.size(1)", s2 = "y.size(1)"}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, none>, b2 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !x, %y: !y, %out: !out):
    %c0 = arith.constant 0 : i32
    %m = tile.symbol <s0> : i32
    %n = tile.symbol <s2> : i32
    %k = tile.symbol <s1> : i32
    tile.grid (%c0, %c0) to (%m, %n) by <b0, b1> : i32, i32 {
    ^bb1(%tile_m: !tile.tile<b0>, %tile_n: !tile.tile<b1>):
      %zero = arith.constant 0.0 : f32
      %init = value.splat %zero : f32 -> !acc
      %acc = tile.for (%c0) to (%k) by <b2> : i32 iter_args(%init) : !acc {
      ^bb2(%tile_k: !tile.tile<b2>, %a: !acc):
        %xv = tile.load %x[%tile_m, %tile_k] : !x[!tile.tile<b0>, !tile.tile<b2>] -> !xt
        %yv = tile.load %y[%tile_k, %tile_n] : !y[!tile.tile<b2>, !tile.tile<b1>] -> !yt
        %next = tile.dot %xv, %yv, %a over %tile_k : !xt, !yt, !acc, !tile.tile<b2>
        tile.yield %next : !acc
      }
      tile.store %acc, %out[%tile_m, %tile_n] : !acc, !out[!tile.tile<b0>, !tile.tile<b1>]
      tile.yield
    }
  }
}
