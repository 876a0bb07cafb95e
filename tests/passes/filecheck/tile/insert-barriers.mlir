// RUN: helion-opt %s -p 'insert-barriers' | filecheck %s
// RUN: helion-opt %s -p 'insert-barriers,insert-barriers' | filecheck %s
// RUN: helion-opt %s -p 'map-program-ids{pid_type=persistent_blocked},insert-barriers' | filecheck %s --check-prefix=LOOP

!r = !tile.ref<[64], [1], f32, align 16>
!i = !tile.ref<[64], [1], i32, align 16>
!v = tensor<?xf32, #tile.dims<b0>>
!t = !tile.tile<b0>

// A read after a write, by whatever indices; not after a read, nor across arguments.
// CHECK-LABEL: @read_after_write
// CHECK:       tile.load
// CHECK-NEXT:  {{.*}}tile.store
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.load %x
// CHECK-NEXT:  {{.*}}tile.load %x
// CHECK-NEXT:  {{.*}}tile.store {{.*}}%y
// CHECK-NEXT:  {{.*}}tile.yield
tile.kernel @read_after_write attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %yv = tile.load %y[%tile] : !r[!t] -> !v
    tile.store %yv, %x[%tile] : !v, !r[!t]
    %a = tile.load %x[%tile] : !r[!t] -> !v
    %b = tile.load %x[%tile] : !r[!t] -> !v
    tile.store %a, %y[%tile] : !v, !r[!t]
    tile.yield
  }
}

// In place, lane by lane: no barrier. A write by other indices, after a read and after a write: one each.
// CHECK-LABEL: @in_place
// CHECK-NOT:   tl.debug_barrier
// CHECK:       tile.store %p, %x[%tile]
// CHECK-NEXT:  {{.*}}tile.load %y
// CHECK-NEXT:  %c1 = arith.constant
// CHECK-NEXT:  {{.*}}tile.shift
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.store %a, %x[%moved]
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.store %a, %x[%tile]
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.atomic_rmw "add" %a, %x[%moved]
// CHECK-NEXT:  {{.*}}tile.atomic_rmw "add" %a, %x[%tile]
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.atomic_rmw "max" %a, %x[%moved]
// CHECK-NOT:   tl.debug_barrier
tile.kernel @in_place attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %p = tile.load %x[%tile] : !r[!t] -> !v
    tile.store %p, %x[%tile] : !v, !r[!t]
    %a = tile.load %y[%tile] : !r[!t] -> !v
    %c1 = arith.constant 1 : i32
    %moved = tile.shift %tile, %c1 : !t, i32
    tile.store %a, %x[%moved] : !v, !r[!t]
    tile.store %a, %x[%tile] : !v, !r[!t]
    tile.atomic_rmw "add" %a, %x[%moved] : !v, !r[!t]
    tile.atomic_rmw "add" %a, %x[%tile] : !v, !r[!t]
    tile.atomic_rmw "max" %a, %x[%moved] : !v, !r[!t]
    tile.yield
  }
}

// By the same indices, but not in place: other threads may still be reading what is written.
// CHECK-LABEL: @reset
// CHECK:       tile.load %x[%tile]
// CHECK:       tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.store %c, %x[%tile]
// CHECK-NOT:   tl.debug_barrier
tile.kernel @reset attributes {arg_names = ["x", "y", "z"], arg_exprs = ["x", "y", "z"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r, %z: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %a = tile.load %x[%tile] : !r[!t] -> !v
    %c = tile.load %y[%tile] : !r[!t] -> !v
    tile.store %c, %x[%tile] : !v, !r[!t]
    tile.store %a, %z[%tile] : !v, !r[!t]
    tile.yield
  }
}

// Every thread reads a scalar, one writes it: others may still be reading, which matters if they use what they read.
// CHECK-LABEL: @scalar
// CHECK:       tile.load %x[%i]
// CHECK-NOT:   tile.store
// CHECK:       tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.store %b, %x[%i]
// CHECK-NEXT:  {{.*}}tile.store %a, %y[%i]
// CHECK-NEXT:  {{.*}}tile.load %z[%i]
// CHECK-NEXT:  {{.*}}arith.addf
// CHECK-NEXT:  {{.*}}tile.store %d, %z[%i]
// CHECK-NOT:   tl.debug_barrier
tile.kernel @scalar attributes {arg_names = ["x", "y", "z"], arg_exprs = ["x", "y", "z"], symbols = {}, blocks = {}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r, %z: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <1> : i32 {
  ^bb1(%i: i32):
    %a = tile.load %x[%i] : !r[i32] -> f32
    %b = arith.addf %a, %a : f32
    tile.store %b, %x[%i] : f32, !r[i32]
    tile.store %a, %y[%i] : f32, !r[i32]
    %c = tile.load %z[%i] : !r[i32] -> f32
    %d = arith.addf %c, %c : f32
    tile.store %d, %z[%i] : f32, !r[i32]
    tile.yield
  }
}

// Threads hold copies of a tensor of few lanes: a late one must not read what another wrote, if it uses what it read.
// Where every lane is held once, it is the thread that writes it.
// CHECK-LABEL: @few_lanes
// CHECK:       tile.load %x[%tile]
// CHECK-NEXT:  {{.*}}arith.addf
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.store %b, %x[%tile]
// CHECK-LABEL: @many_lanes
// CHECK-NOT:   tl.debug_barrier
// CHECK:       tile.yield
tile.kernel @few_lanes attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<64, 64>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %a = tile.load %x[%tile] : !r[!t] -> !v
    %b = arith.addf %a, %a : !v
    tile.store %b, %x[%tile] : !v, !r[!t]
    tile.store %a, %y[%tile] : !v, !r[!t]
    tile.yield
  }
}
tile.kernel @many_lanes attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<16384, 16384>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %a = tile.load %x[%tile] : !r[!t] -> !v
    %b = arith.addf %a, %a : !v
    tile.store %b, %x[%tile] : !v, !r[!t]
    tile.store %a, %y[%tile] : !v, !r[!t]
    tile.yield
  }
}

// Views of one storage are the same memory; equal positions are the same element only in the same view.
// CHECK-LABEL: @views
// CHECK:       tile.store %a, %x[%tile]
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.load %flat[%tile]
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.store %b, %x[%tile]
// CHECK-NEXT:  {{.*}}tile.load %other[%tile]
// CHECK-NOT:   tl.debug_barrier
// CHECK:       tile.yield
tile.kernel @views attributes {arg_names = ["x", "flat", "same", "other"], arg_exprs = ["x", "flat", "same", "other"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32, memory = [[#tile.memory<0, 0>], [#tile.memory<0, 1>], [#tile.memory<0, 0>], [#tile.memory<1, 2>]]} {
^bb0(%x: !r, %flat: !r, %same: !r, %other: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %a = tile.load %other[%tile] : !r[!t] -> !v
    tile.store %a, %x[%tile] : !v, !r[!t]
    %b = tile.load %flat[%tile] : !r[!t] -> !v
    tile.store %b, %x[%tile] : !v, !r[!t]
    %c = tile.load %other[%tile] : !r[!t] -> !v
    tile.store %c, %same[%tile] : !v, !r[!t]
    tile.yield
  }
}

// The end of a loop's body meets its beginning. Iterations over tiles touch different lanes; the tiles of a persistent
// program too. One barrier before a loop serves all of its iterations.
// CHECK-LABEL: @loops
// CHECK:       tile.for(%c0) to(%c64) by <b0>
// CHECK-NEXT:  ^bb
// CHECK-NEXT:    {{.*}}tile.load %x
// CHECK-NEXT:    {{.*}}tile.store
// CHECK-NEXT:    {{.*}}tile.yield
// CHECK-NEXT:  }
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.for(%c0) to(%c64) by <b0>
// CHECK-NEXT:  ^bb
// CHECK-NEXT:    {{.*}}tile.load %y
// CHECK-NEXT:    {{.*}}tile.store {{.*}} %z
// CHECK-NEXT:    {{.*}}tile.yield
// CHECK:       tile.for(%c0) to(%c64) by <1>
// CHECK-NEXT:  ^bb
// CHECK-NEXT:    tl.debug_barrier
// CHECK-NEXT:    {{.*}}tile.load %w
// CHECK-NEXT:    {{.*}}value.splat
// CHECK-NEXT:    tl.debug_barrier
// CHECK-NEXT:    {{.*}}tile.store {{.*}} %w
// CHECK-NOT:   tl.debug_barrier
// LOOP-LABEL:  @loops
// LOOP:        tile.grid
// LOOP-NEXT:   ^bb
// LOOP-NEXT:   tile.for(%c0) to(%c64) by <b0>
tile.kernel @loops attributes {arg_names = ["x", "y", "z", "w"], arg_exprs = ["x", "y", "z", "w"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 64], [64, 1], f32, align 16>, %y: !tile.ref<[64, 64], [64, 1], f32, align 16>, %z: !tile.ref<[64, 64], [64, 1], f32, align 16>, %w: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <1> : i32 {
  ^bb1(%row: i32):
    tile.for (%c0) to (%c64) by <b0> : i32 {
    ^bb2(%tile: !t):
      %a = tile.load %x[%row, %tile] : !tile.ref<[64, 64], [64, 1], f32, align 16>[i32, !t] -> !v
      tile.store %a, %y[%row, %tile] : !v, !tile.ref<[64, 64], [64, 1], f32, align 16>[i32, !t]
      tile.yield
    }
    tile.for (%c0) to (%c64) by <b0> : i32 {
    ^bb3(%tile: !t):
      %a = tile.load %y[%row, %tile] : !tile.ref<[64, 64], [64, 1], f32, align 16>[i32, !t] -> !v
      tile.store %a, %z[%row, %tile] : !v, !tile.ref<[64, 64], [64, 1], f32, align 16>[i32, !t]
      tile.yield
    }
    %all = tile.whole : !tile.tile<64>
    tile.for (%c0) to (%c64) by <1> : i32 {
    ^bb4(%i: i32):
      %b = tile.load %w[%i] : !r[i32] -> f32
      %bs = value.splat %b : f32 -> tensor<64xf32>
      tile.store %bs, %w[%all] : tensor<64xf32>, !r[!tile.tile<64>]
      tile.yield
    }
    tile.yield
  }
}

// A kernel whose programs are many tiles, each program's own: nothing. One element for all of them: read after it
// was written.
// CHECK-LABEL: @persistent
// CHECK-NOT:   tl.debug_barrier
// LOOP-LABEL:  @persistent
// LOOP:        tile.store {{.*}}%y[%tile]
// LOOP-NEXT:   tl.debug_barrier
// LOOP-NEXT:   {{.*}}tile.load %x[%c63]
// LOOP-NEXT:   tile.store {{.*}}%x[%c63]
// LOOP-NEXT:   tile.yield
tile.kernel @persistent attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c63 = arith.constant 63 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %a = tile.load %y[%tile] : !r[!t] -> !v
    tile.store %a, %y[%tile] : !v, !r[!t]
    %b = tile.load %x[%c63] : !r[i32] -> f32
    tile.store %b, %x[%c63] : f32, !r[i32]
    tile.yield
  }
}

// An arm that needs a barrier has it; the other does not. What either leaves is pending afterwards.
// CHECK-LABEL: @branches
// CHECK:       scf.if
// CHECK-NEXT:    tl.debug_barrier
// CHECK-NEXT:    {{.*}}tile.load %x
// CHECK:       } else {
// CHECK-NEXT:    {{.*}}tile.store {{.*}}%y
// CHECK-NEXT:  }
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.load %y
// CHECK-NEXT:  {{.*}}tile.load %x
// CHECK-NEXT:  {{.*}}tile.yield
tile.kernel @branches attributes {arg_names = ["x", "y", "p"], arg_exprs = ["x", "y", "p"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r, %p: i1):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %zero = arith.constant 0.0 : f32
    %a = value.splat %zero : f32 -> !v
    tile.store %a, %x[%tile] : !v, !r[!t]
    scf.if %p {
      %b = tile.load %x[%tile] : !r[!t] -> !v
      scf.yield
    } else {
      tile.store %a, %y[%tile] : !v, !r[!t]
      scf.yield
    }
    %c = tile.load %y[%tile] : !r[!t] -> !v
    %d = tile.load %x[%tile] : !r[!t] -> !v
    tile.yield
  }
}

// Text that makes a value of values reaches no memory; given a ref or a 64-bit number, it might.
// CHECK-LABEL: @values
// CHECK:       tile.store %a, %x[%tile]
// CHECK-NEXT:  inline_triton.snippet "tl.exp({0})"
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  inline_triton.snippet "tl.load({0})"
tile.kernel @values attributes {arg_names = ["x", "n"], arg_exprs = ["x", "n"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %n: i64):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %zero = arith.constant 0.0 : f32
    %a = value.splat %zero : f32 -> !v
    tile.store %a, %x[%tile] : !v, !r[!t]
    %b = inline_triton.snippet "tl.exp({0})" (%a) : (!v) -> !v
    %c = inline_triton.snippet "tl.load({0})" (%n) : (i64) -> f32
    tile.yield
  }
}

// Peers: what the kernel stores, and tuples; `x` is only read. Elements of one tuple may be the same, unless constants
// say otherwise. A sync that orders one side needs a barrier on that side.
// CHECK-LABEL: @peers
// CHECK:       tile.load %x
// CHECK-NEXT:  {{.*}}tile.store %a, %own[%tile]
// CHECK-NEXT:  {{.*}}tile.load %peer[%tile]
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  symm_mem.sync
// CHECK-NEXT:  {{.*}}tile.load %x
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.for static
// CHECK-NOT:   tl.debug_barrier
// CHECK:       symm_mem.sync {{.*}}hasPreviousMemAccess = false
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.load %own
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  symm_mem.sync {{.*}}hasSubsequentMemAccess = false
// CHECK-NEXT:  {{.*}}tile.load %own
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  inline_triton.snippet "sync()"
// CHECK-NEXT:  %e = inline_triton.snippet pure "cos(
// CHECK-NEXT:  {{.*}}tile.load %x
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  inline_triton.snippet "touch({0})"
// CHECK-NEXT:  tl.debug_barrier
// CHECK-NEXT:  {{.*}}tile.load %z
// CHECK-NEXT:  {{.*}}tile.yield
tile.kernel @peers attributes {arg_names = ["x", "z", "bufs", "pads", "rank"], arg_exprs = ["x", "z", "bufs", "pads", "rank"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %z: !r, %bufs: tuple<!r, !r>, %pads: !i, %rank: i32):
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c64 = arith.constant 64 : i32
  %own = inline_triton.element %bufs[%c0] : tuple<!r, !r>, i32 -> !r
  %peer = inline_triton.element %bufs[%c1] : tuple<!r, !r>, i32 -> !r
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%tile: !t):
    %a = tile.load %x[%tile] : !r[!t] -> !v
    tile.store %a, %own[%tile] : !v, !r[!t]
    %p = tile.load %peer[%tile] : !r[!t] -> !v
    symm_mem.sync %pads rank %rank of %c2 : !i, i32, i32
    %again = tile.load %x[%tile] : !r[!t] -> !v
    tile.for static (%c0) to (%c2) by <1> : i32 {
    ^bb2(%k: i32):
      %buf = inline_triton.element %bufs[%k] : tuple<!r, !r>, i32 -> !r
      %b = tile.load %buf[%tile] : !r[!t] -> !v
      tile.yield
    }
    symm_mem.sync %pads rank %rank of %c2 {hasPreviousMemAccess = false} : !i, i32, i32
    %c = tile.load %own[%tile] : !r[!t] -> !v
    symm_mem.sync %pads rank %rank of %c2 {hasSubsequentMemAccess = false} : !i, i32, i32
    %d = tile.load %own[%tile] : !r[!t] -> !v
    inline_triton.snippet "sync()"() : () -> ()
    %e = inline_triton.snippet pure "cos({0})"(%a) : (!v) -> !v
    %f = tile.load %x[%tile] : !r[!t] -> !v
    inline_triton.snippet "touch({0})"(%z) : (!r) -> ()
    %g = tile.load %z[%tile] : !r[!t] -> !v
    tile.yield
  }
}
