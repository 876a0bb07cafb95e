// RUN: helion-opt %s | helion-opt | filecheck %s

// What a meeting of ranks becomes in tl.
%pads, %id, %rank, %world = "test.op"() : () -> (!tl.ptr<i64>, i32, i32, i32)
%theirs, %ours = symm_mem.slots %pads, %id, %rank, %world : !tl.ptr<i64>, i32, i32, i32
symm_mem.meet release acquire %theirs, %ours
symm_mem.meet acquire %theirs, %ours {site = 1 : i64}
symm_mem.meet %theirs, %ours

// CHECK:      %theirs, %ours = symm_mem.slots %pads, %id, %rank, %world : !tl.ptr<i64>, i32, i32, i32
// CHECK-NEXT: symm_mem.meet release acquire %theirs, %ours
// CHECK-NEXT: symm_mem.meet acquire %theirs, %ours {site = 1 : i64}
// CHECK-NEXT: symm_mem.meet %theirs, %ours
