// out = x // y and counts[x] += 1 on uint8: what is loaded is signless, the ops are unsigned.
!u = tensor<?xi8, #tile.dims<b0>>
!w = tensor<?xi32, #tile.dims<b0>>
!ref = !tile.ref<[77], [1], ui8, align 16>
builtin.module {
  tile.kernel @bytes attributes {arg_names = ["x", "y", "out", "counts"], arg_exprs = ["x", "y", "out", "counts"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %y: !ref, %out: !ref, %counts: !tile.ref<[256], [1], i32, align 16>):
    %c0 = arith.constant 0 : i32
    %n = arith.constant 77 : i32
    tile.grid (%c0) to (%n) by <b0> : i32 {
    ^bb1(%t: !tile.tile<b0>):
      %xv = tile.load %x[%t] : !ref[!tile.tile<b0>] -> !u
      %yv = tile.load %y[%t] : !ref[!tile.tile<b0>] -> !u
      %quotient = arith.divui %xv, %yv : !u
      tile.store %quotient, %out[%t] : !u, !ref[!tile.tile<b0>]
      %bin = value.cast "extui" %xv : !u to !w
      %one = arith.constant 1 : i32
      %ones = value.splat %one : i32 -> !w
      tile.atomic_rmw "add" %ones, %counts[%bin] tiles(%t : !tile.tile<b0>) : !w, !tile.ref<[256], [1], i32, align 16>[!w]
      tile.yield
    }
  }
}
