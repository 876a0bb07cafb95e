// RUN: helion-opt %s -p 'number-sites,unroll-static-range{static_ranges=true}' | filecheck %s --check-prefix=ONE
// RUN: helion-opt %s -p 'number-sites,unroll-static-range{static_ranges=true,true,true}' | filecheck %s --check-prefix=ALL
// RUN: helion-opt %s --any-options -p 'number-sites,unroll-static-range{static_ranges=false,true,false}' | filecheck %s --check-prefix=INNER
// RUN: helion-opt %s -p 'number-sites,unroll-static-range' | filecheck %s --check-prefix=NONE
// RUN: helion-opt %s --any-options -p 'number-sites,unroll-static-range{static_ranges=false,true,true},annotate-ranges{range_num_stages=0,1,2,3,4,5}' | filecheck %s --check-prefix=STAGES

// The static loop goes: indices are constants, scalars that follow from it too, and the branch on it is decided.
// ONE-NOT:  unrolled
// ONE-NOT:  tile.for static
// ONE-NOT:  scf.if
// ONE:      %rank = arith.constant 1 : i32
// ONE-NEXT: %buf = inline_triton.element %bufs[%rank]
// ONE:      %a = arith.addf %init, %v
// ONE:      %rank_1 = arith.constant 0 : i32
// ONE-NEXT: %buf_1 = inline_triton.element %bufs[%rank_1]
// ONE:      %sum = arith.mulf %a, %v_1
// The others stay.
// ONE:      tile.for(%c0) to(%c2) by <b1>
// ONE:      tile.for(%c0) to(%c3) by <1>
// ONE:      tile.for(%c0) to(%c9) by <1>
// ONE:      tile.for(%c0) to(%n) by <1>
// ONE:      tile.for(%c0) to(%c2) by <b0>

// ALL-NOT:  tile.for static
// A tile of fixed size is a range with constant bounds, and its number a constant.
// ALL:      tile.range %{{.*}} to %{{.*}} : i32 -> !tile.tile<b1>
// ALL-NOT:  tile.id
// ALL:      tile.for(%c0) to(%c9) by <1>
// ALL-NEXT: ^bb{{[0-9]+}}(%q
// ALL:      tile.for(%c0) to(%n) by <1>
// ALL:      tile.for(%c0) to(%c2) by <b0>
// ALL-NOT:  tile.for

// INNER:     unrolled = [2 : i64]
// INNER:     tile.for static(%c0) to(%c2) by <1>
// INNER-NOT: by <b1>
// INNER:     tile.for(%c0) to(%c3) by <1>

// NONE-NOT:  unrolled
// NONE:      tile.for static(%c0) to(%c2) by <1>

// Entries of the range options: the grid's, then those of the loops that are not static, gone or not.
// STAGES:    tile.for static(%c0) to(%c2) by <1> : i32 iter_args(%init) : tensor<?xf32, #tile.dims<b0>> attributes {site = 1 : i64} {
// STAGES:    tile.for(%c0) to(%c9) by <1> : i32 {{.*}}num_stages = #builtin.int<3>
// STAGES:    tile.for(%c0) to(%n) by <1> : i32 {{.*}}num_stages = #builtin.int<4>
// STAGES:    tile.for(%c0) to(%c2) by <b0> : i32 {{.*}}num_stages = #builtin.int<5>

!r = !tile.ref<[64], [1], f32, align 16>
!v = tensor<?xf32, #tile.dims<b0>>
tile.kernel @k attributes {arg_names = ["bufs", "out", "n"], arg_exprs = ["bufs", "out", "n"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<1, 1>}, host = "", index_type = i32, block_sizes = {b0 = #builtin.int<16>}} {
^bb0(%bufs: tuple<!r, !r>, %out: !r, %n: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c3 = arith.constant 3 : i32
  %c9 = arith.constant 9 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !tile.tile<b0>):
    %zero = arith.constant 0.0 : f32
    %init = value.splat %zero : f32 -> !v
    %sum = tile.for static (%c0) to (%c2) by <1> : i32 iter_args(%init) : !v {
    ^bb2(%i: i32, %acc: !v):
      %next_rank = arith.addi %i, %c1 : i32
      %rank = arith.remsi %next_rank, %c2 : i32
      %buf = inline_triton.element %bufs[%rank] : tuple<!r, !r>, i32 -> !r
      %v = tile.load %buf[%tile] : !r[!tile.tile<b0>] -> !v
      %first = arith.cmpi eq, %i, %c0 : i32
      %next = scf.if %first -> (!v) {
        %a = arith.addf %acc, %v : !v
        scf.yield %a : !v
      } else {
        %m = arith.mulf %acc, %v : !v
        scf.yield %m : !v
      }
      tile.yield %next : !v
    }
    %tiled = tile.for (%c0) to (%c2) by <b1> : i32 iter_args(%sum) : !v {
    ^bb3(%t: !tile.tile<b1>, %acc: !v):
      %id = tile.id %t : !tile.tile<b1> -> i32
      %f = arith.sitofp %id : i32 to f32
      %fs = value.splat %f : f32 -> !v
      %next = tile.for (%c0) to (%c3) by <1> : i32 iter_args(%acc) : !v {
      ^bb4(%j: i32, %b: !v):
        %c = arith.addf %b, %fs : !v
        tile.yield %c : !v
      }
      tile.yield %next : !v
    }
    // Too long, unknown, and up to the config.
    %long = tile.for (%c0) to (%c9) by <1> : i32 iter_args(%tiled) : !v {
    ^bb5(%q: i32, %b: !v):
      tile.yield %b : !v
    }
    %unknown = tile.for (%c0) to (%n) by <1> : i32 iter_args(%long) : !v {
    ^bb6(%q: i32, %b: !v):
      tile.yield %b : !v
    }
    %blocks = tile.for (%c0) to (%c2) by <b0> : i32 iter_args(%unknown) : !v {
    ^bb7(%q: !tile.tile<b0>, %b: !v):
      tile.yield %b : !v
    }
    tile.store %blocks, %out[%tile] : !v, !r[!tile.tile<b0>]
    tile.yield
  }
}
