// RUN: helion-opt %s -p prepare-for-print -t 'triton{comments=false}' | filecheck %s

// Ranks meet by calls of functions that the module defines; a constant is bare, whatever its type.
tl.func @meet attributes {arg_names = ["pads", "rank"], arg_exprs = ["pads", "rank"], constexprs = {}, host = "", options = {}} {
^bb0(%pads: !tl.ptr<i64>, %rank: i32):
  %id = tl.program_id #builtin.int<0>
  %world = arith.constant 2 : i64
  %theirs, %ours = symm_mem.slots %pads, %id, %rank, %world : !tl.ptr<i64>, i32, i32, i64
  symm_mem.meet release acquire %theirs, %ours
  symm_mem.meet release %theirs, %ours
  tl.return
} grid {
^bb0(%pads: !tl.ptr<i64>, %rank: i32):
  %c1 = arith.constant 1 : i32
  tl.launch_grid %c1 : i32
}

// CHECK:      def _symm_mem_slots(pads, sync_id, rank, world_size):
// CHECK:      def _symm_mem_sync(theirs, ours, RELEASE: tl.constexpr, ACQUIRE: tl.constexpr):
// CHECK:      def _meet(pads, rank):
// CHECK-NEXT:     id = tl.program_id(0)
// CHECK-NEXT:     theirs, ours = _symm_mem_slots(pads, id, rank, 2)
// CHECK-NEXT:     _symm_mem_sync(theirs, ours, RELEASE=True, ACQUIRE=True)
// CHECK-NEXT:     _symm_mem_sync(theirs, ours, RELEASE=True, ACQUIRE=False)
