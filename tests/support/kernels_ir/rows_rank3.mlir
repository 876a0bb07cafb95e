// x[37, 5, 21]: the sum over the last axis, then the maximum of that over the middle one; integers.
!t = tensor<?x5x21xi32, #tile.dims<b0, 5, 21>>
!mat = tensor<?x5xi32, #tile.dims<b0, 5>>
!col = tensor<?xi32, #tile.dims<b0>>
!bt = tensor<?x5x21xi1, #tile.dims<b0, 5, 21>>
!bmat = tensor<?x5xi1, #tile.dims<b0, 5>>
!ref = !tile.ref<[37, 5, 21], [105, 21, 1], i32, align 16>
!sref = !tile.ref<[37, 5], [5, 1], i32, align 16>
!mref = !tile.ref<[37], [1], i32, align 16>
builtin.module {
  tile.kernel @rows_rank3 attributes {arg_names = ["x", "sums", "highs"], arg_exprs = ["x", "sums", "highs"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %sums: !sref, %highs: !mref):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 37 : i32
    tile.grid (%c0) to (%m) by <b0> : i32 {
    ^bb1(%tile_m: !tile.tile<b0>):
      %mid = tile.whole : !tile.tile<5>
      %all = tile.whole : !tile.tile<21>
      %v = tile.load %x[%tile_m, %mid, %all] : !ref[!tile.tile<b0>, !tile.tile<5>, !tile.tile<21>] -> !t
      %seven = arith.constant 7 : i32
      %sevens = value.splat %seven : i32 -> !t
      %is7 = value.compare "eq", %v, %sevens : !t -> !bt
      %any7 = tile.reduce "or" %is7 over %all {axis = #builtin.int<2>} : !bt, !tile.tile<21> -> !bmat
      %s = tile.reduce "sum" %v over %all {axis = #builtin.int<2>} : !t, !tile.tile<21> -> !mat
      %c1000 = arith.constant 1000 : i32
      %thousands = value.splat %c1000 : i32 -> !mat
      %more = arith.addi %s, %thousands : !mat
      %picked = value.select %any7, %more, %s : !bmat, !mat
      tile.store %picked, %sums[%tile_m, %mid] : !mat, !sref[!tile.tile<b0>, !tile.tile<5>]
      %h = tile.reduce "max" %picked over %mid {axis = #builtin.int<1>} : !mat, !tile.tile<5> -> !col
      tile.store %h, %highs[%tile_m] : !col, !mref[!tile.tile<b0>]
      tile.yield
    }
  }
}
