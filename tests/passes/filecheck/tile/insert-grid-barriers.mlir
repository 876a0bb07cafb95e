// RUN: helion-opt %s -p 'insert-grid-barriers' | filecheck %s
// RUN: helion-opt %s -p 'insert-grid-barriers,insert-grid-barriers' | filecheck %s
// RUN: not helion-opt %s -p 'insert-grid-barriers,map-program-ids{pid_type=flat}' 2>&1 | filecheck %s --check-prefix=FLAT

// FLAT: a barrier between loops needs a persistent grid, got 'flat'

!r = !tile.ref<[64], [1], f32, align 16>
!v = tensor<?xf32, #tile.dims<b0>>
!t = !tile.tile<b0>

// A read after a write, after which one barrier is enough for a write after a write, and for the third loop, too.
// CHECK-LABEL: @read_after_write
// CHECK:       tile.store {{.*}}%x[%a]
// CHECK:       tile.store {{.*}}%z[%b]
// CHECK:       tile.barrier
// CHECK-NEXT:  tile.grid
// CHECK:       tile.load %x[%c]
// CHECK-NOT:   tile.barrier
// CHECK:       tile.store {{.*}}%z[%d]
// CHECK-NOT:   tile.barrier
tile.kernel @read_after_write attributes {arg_names = ["x", "y", "z"], arg_exprs = ["x", "y", "z"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r, %z: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%a: !t):
    %v = tile.load %y[%a] : !r[!t] -> !v
    tile.store %v, %x[%a] : !v, !r[!t]
    tile.yield
  }
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb2(%b: !t):
    %v = tile.load %y[%b] : !r[!t] -> !v
    tile.store %v, %z[%b] : !v, !r[!t]
    tile.yield
  }
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb3(%c: !t):
    %v = tile.load %x[%c] : !r[!t] -> !v
    tile.atomic_rmw "add" %v, %x[%c] : !v, !r[!t]
    tile.yield
  }
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb4(%d: !t):
    %v = tile.load %y[%d] : !r[!t] -> !v
    tile.store %v, %z[%d] : !v, !r[!t]
    tile.yield
  }
}

// A write after a read, and one barrier of the user's that cuts it; the one behind it and the one at the end have no use.
// CHECK-LABEL: @write_after_read
// CHECK:       tile.store {{.*}}%y[%a]
// CHECK:       tile.barrier
// CHECK-NEXT:  tile.grid
// CHECK:       tile.store {{.*}}%x[%b]
// CHECK-NOT:   tile.barrier
tile.kernel @write_after_read attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32, settings = {strict_barriers}} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%a: !t):
    %v = tile.load %x[%a] : !r[!t] -> !v
    tile.store %v, %y[%a] : !v, !r[!t]
    tile.yield
  }
  tile.barrier
  tile.barrier
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb2(%b: !t):
    %zero = arith.constant 0.0 : f32
    %zeros = value.splat %zero : f32 -> !v
    tile.store %zeros, %x[%b] : !v, !r[!t]
    tile.yield
  }
  tile.barrier
}

// What is loaded beside the loops is loaded by each program when it comes there: before that, all must have written.
// CHECK-LABEL: @beside
// CHECK:       tile.grid
// CHECK:       tile.barrier
// CHECK-NEXT:  tile.load %n[%c0]
// CHECK-NOT:   tile.barrier
tile.kernel @beside attributes {arg_names = ["n", "y"], arg_exprs = ["n", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%n: !tile.ref<[1], [1], i32, align 16>, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <1> : i32 {
  ^bb1(%i: i32):
    tile.store %c64, %n[%c0] : i32, !tile.ref<[1], [1], i32, align 16>[i32]
    tile.yield
  }
  %end = tile.load %n[%c0] : !tile.ref<[1], [1], i32, align 16>[i32] -> i32
  tile.grid (%c0) to (%end) by <b0> : i32 {
  ^bb2(%b: !t):
    %zero = arith.constant 0.0 : f32
    %zeros = value.splat %zero : f32 -> !v
    tile.store %zeros, %y[%b] : !v, !r[!t]
    tile.yield
  }
}

// No hazard: atomics that commute, and memory that is read only.
// CHECK-LABEL: @independent
// CHECK-NOT:   tile.barrier
tile.kernel @independent attributes {arg_names = ["x", "y"], arg_exprs = ["x", "y"], symbols = {}, blocks = {b0 = #tile.block<1, none>}, host = "", index_type = i32} {
^bb0(%x: !r, %y: !r):
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb1(%a: !t):
    %v = tile.load %x[%a] : !r[!t] -> !v
    tile.atomic_rmw "add" %v, %y[%a] : !v, !r[!t]
    tile.yield
  }
  tile.grid (%c0) to (%c64) by <b0> : i32 {
  ^bb2(%b: !t):
    %v = tile.load %x[%b] : !r[!t] -> !v
    tile.atomic_rmw "add" %v, %y[%b] : !v, !r[!t]
    tile.yield
  }
}
