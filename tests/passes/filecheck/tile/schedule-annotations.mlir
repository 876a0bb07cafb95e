// RUN: helion-opt %s -p 'number-sites,assign-block-sizes{block_sizes=32,16}' | filecheck %s --check-prefix=BLOCKS
// RUN: helion-opt %s -p 'number-sites,map-program-ids{pid_type=persistent_blocked l2_groupings=8 num_sm_multiplier=2}' | filecheck %s --check-prefix=PIDS
// RUN: helion-opt %s -p 'number-sites,reorder-loops{loop_orders="1-0"}' | filecheck %s --check-prefix=ORDER
// RUN: helion-opt %s -p 'number-sites,reorder-loops{loop_orders="0-1"}' | filecheck %s --check-prefix=SAME
// RUN: helion-opt %s -p 'number-sites,annotate-ranges{range_num_stages=0,3 range_flattens=true,"none" range_multi_buffers="none",false}' | filecheck %s --check-prefix=RANGES
// RUN: helion-opt %s -p 'number-sites,specialize-warps{range_warp_specializes=true,false}' | filecheck %s --check-prefix=WARPS
// RUN: helion-opt %s -p 'number-sites,assign-cache-policy{load_eviction_policies="last","first" store_cache_modifiers=".cs"}' | filecheck %s --check-prefix=CACHE
// RUN: helion-opt %s -p 'set-launch-options{num_warps=8 num_stages=3 maxnreg=128}' | filecheck %s --check-prefix=LAUNCH
// RUN: not helion-opt %s -p 'assign-block-sizes{block_sizes=32}' 2>&1 | filecheck %s --check-prefix=FEW
// RUN: not helion-opt %s -p 'assign-block-sizes{block_sizes=32,4}' 2>&1 | filecheck %s --check-prefix=SMALL
// RUN: not helion-opt %s -p 'map-program-ids{pid_type=spiral}' 2>&1 | filecheck %s --check-prefix=SPIRAL
// RUN: not helion-opt %s -p 'number-sites,reorder-loops{loop_orders="0-0"}' 2>&1 | filecheck %s --check-prefix=TWICE

// The fixed b2 joins the chosen ones.
// BLOCKS: block_sizes = {b0 = #builtin.int<32>, b1 = #builtin.int<16>, b2 = #builtin.int<4>}

// PIDS: tile.grid(%a, %b) to(%m, %n) by <b0, b1> : i32, i32 attributes {site = 0 : i64, pid_type = "persistent_blocked", l2_grouping = #builtin.int<8>, num_sm_multiplier = #builtin.int<2>}

// ORDER:      tile.grid(%b, %a) to(%n, %m) by <b1, b0> : i32, i32
// ORDER-NEXT: ^bb0(%j: !tile.tile<b1>, %i: !tile.tile<b0>):
// ORDER:      tile.load %x[%i, %j]
// SAME:       tile.grid(%a, %b) to(%m, %n) by <b0, b1> : i32, i32
// SAME-NEXT:  ^bb0(%i: !tile.tile<b0>, %j: !tile.tile<b1>):

// RANGES: tile.grid({{.*}} attributes {site = 0 : i64, flatten = #builtin.int<1>}
// RANGES: tile.for({{.*}} attributes {site = 1 : i64, num_stages = #builtin.int<3>, multi_buffer = #builtin.int<0>}

// No product whose rows are known to be right: True is ignored.
// WARPS: tile.grid({{.*}} attributes {site = 0 : i64}
// WARPS: tile.for({{.*}} attributes {site = 1 : i64, warp_specialize = #builtin.int<0>}

// The user's own policy stays, and its load has no entry.
// CACHE: tile.load %x[%i, %j] {site = 0 : i64, eviction_policy = "evict_first"}
// CACHE: tile.load %x[%i, %j] {site = 1 : i64, eviction_policy = "evict_last"}
// CACHE: tile.store {{.*}} {site = 0 : i64, cache_modifier = ".cs"}

// LAUNCH: options = {num_warps = #builtin.int<8>, num_stages = #builtin.int<3>, maxnreg = #builtin.int<128>}

// FEW: InvalidConfig: block_sizes: expected 2 entries, got 1 ([32])
// SMALL: InvalidConfig: block_sizes[1]: 4 is not legal, expected a power of two from 8 to 64
// SPIRAL: InvalidConfig: pid_type: 'spiral' is not legal, expected one of 'flat', 'xyz',
// TWICE: InvalidConfig: loop_orders[0]: [0, 0] is not legal, expected a permutation of [0, 1]
tile.kernel @sum attributes {arg_names = ["x", "out"], arg_exprs = ["x", "out"], symbols = {}, blocks = {b0 = #tile.block<1, none>, b1 = #tile.block<8, 64>, b2 = #tile.block<4, 4>}, host = "", index_type = i32} {
^bb0(%x: !tile.ref<[64, 32], [32, 1], f32, align 16>, %out: !tile.ref<[64, 32], [32, 1], f32, align 16>):
  %a = arith.constant 0 : i32
  %b = arith.constant 8 : i32
  %m = arith.constant 64 : i32
  %n = arith.constant 32 : i32
  tile.grid (%a, %b) to (%m, %n) by <b0, b1> : i32, i32 {
  ^bb1(%i: !tile.tile<b0>, %j: !tile.tile<b1>):
    %v = tile.load %x[%i, %j] {eviction_policy = "evict_first"} : !tile.ref<[64, 32], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>] -> tensor<?x?xf32, #tile.dims<b0, b1>>
    %r = tile.for (%a) to (%n) by <b2> : i32 iter_args(%v) : tensor<?x?xf32, #tile.dims<b0, b1>> {
    ^bb2(%k: !tile.tile<b2>, %acc: tensor<?x?xf32, #tile.dims<b0, b1>>):
      %w = tile.load %x[%i, %j] : !tile.ref<[64, 32], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>] -> tensor<?x?xf32, #tile.dims<b0, b1>>
      %next = arith.addf %acc, %w : tensor<?x?xf32, #tile.dims<b0, b1>>
      tile.yield %next : tensor<?x?xf32, #tile.dims<b0, b1>>
    }
    tile.store %r, %out[%i, %j] : tensor<?x?xf32, #tile.dims<b0, b1>>, !tile.ref<[64, 32], [32, 1], f32, align 16>[!tile.tile<b0>, !tile.tile<b1>]
    tile.yield
  }
}
