// A run-time branch on a loaded scalar per row (hl.grid), and a while loop that halves a scalar until it is below one.
!row = tensor<?xf32, #tile.dims<b0>>
!ref = !tile.ref<[11, 53], [53, 1], f32, align 16>
builtin.module {
  tile.kernel @branch attributes {arg_names = ["x", "flag", "start", "out", "steps"], arg_exprs = ["x", "flag", "start", "out", "steps"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
  ^bb0(%x: !ref, %flag: !tile.ref<[11], [1], i32, align 16>, %start: f32, %out: !ref, %steps: !tile.ref<[11], [1], i32, align 16>):
    %c0 = arith.constant 0 : i32
    %m = arith.constant 11 : i32
    %n = arith.constant 53 : i32
    tile.grid (%c0, %c0) to (%m, %n) by <1, b0> : i32, i32 {
    ^bb1(%i: i32, %tile_n: !tile.tile<b0>):
      %f = tile.load %flag[%i] : !tile.ref<[11], [1], i32, align 16>[i32] -> i32
      %positive = value.compare "gt", %f, %c0 : i32 -> i1
      %v = tile.load %x[%i, %tile_n] : !ref[i32, !tile.tile<b0>] -> !row
      %r = scf.if %positive -> (!row) {
        %twice = arith.addf %v, %v : !row
        scf.yield %twice : !row
      } else {
        %minus = arith.negf %v : !row
        scf.yield %minus : !row
      }
      tile.store %r, %out[%i, %tile_n] : !row, !ref[i32, !tile.tile<b0>]
      %one = arith.constant 1 : i32
      %onef = arith.constant 1.0 : f32
      %half = arith.constant 0.5 : f32
      %w:2 = scf.while (%a = %start, %count = %c0) : (f32, i32) -> (f32, i32) {
        %more = arith.cmpf oge, %a, %onef : f32
        scf.condition(%more) %a, %count : f32, i32
      } do {
      ^bb2(%b: f32, %c: i32):
        %b2 = arith.mulf %b, %half : f32
        %c2 = arith.addi %c, %one : i32
        scf.yield %b2, %c2 : f32, i32
      }
      tile.store %w#1, %steps[%i] : i32, !tile.ref<[11], [1], i32, align 16>[i32]
      tile.yield
    }
  }
}
