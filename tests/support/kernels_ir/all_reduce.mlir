// Each rank doubles its x into its buffer; ranks meet; each sums all buffers into out; ranks meet again.
!v = tensor<?xf32, #tile.dims<b0>>
!r = !tile.ref<[s0], [1], f32, align 16>
!pads = !tile.ref<[2], [1], i64, align 16>
builtin.module {
  tile.kernel @all_reduce attributes {arg_names = ["x", "bufs", "pads", "out", "rank"], arg_exprs = ["x", "bufs", "pads", "out", "rank"], symbols = {s0 = "x.size(0)"}, blocks = {b0 = #tile.block<1, none>}, host = "def all_reduce(x, bufs, pads, out, rank):\n    __launch__()\n", index_type = i32} {
  ^bb0(%x: !r, %bufs: tuple<!r, !r>, %pads: !pads, %out: !r, %rank: i32):
    %c0 = arith.constant 0 : i32
    %c2 = arith.constant 2 : i32
    %n = tile.symbol <s0> : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%tile: !tile.tile<b0>):
      %xv = tile.load %x[%tile] : !r[!tile.tile<b0>] -> !v
      %twice = arith.addf %xv, %xv : !v
      %c1 = arith.constant 1 : i32
      %own = inline_triton.element %bufs[%c1] : tuple<!r, !r>, i32 -> !r
      tile.store %twice, %own[%tile] : !v, !r[!tile.tile<b0>]
      symm_mem.sync %pads rank %rank of %c2 : !pads, i32, i32
      %zero = arith.constant 0.0 : f32
      %init = value.splat %zero : f32 -> !v
      %sum = tile.for static (%c0) to (%c2) by <1> : i32 iter_args(%init) : !v {
      ^bb2(%i: i32, %acc: !v):
        %buf = inline_triton.element %bufs[%i] : tuple<!r, !r>, i32 -> !r
        %bv = tile.load %buf[%tile] : !r[!tile.tile<b0>] -> !v
        %next = arith.addf %acc, %bv : !v
        tile.yield %next : !v
      }
      tile.store %sum, %out[%tile] : !v, !r[!tile.tile<b0>]
      symm_mem.sync %pads rank %rank of %c2 {hasSubsequentMemAccess = false} : !pads, i32, i32
      tile.yield
    }
  }
}
