// RUN: helion-opt %s -p prepare-for-print -t "triton{comments=false}" | filecheck %s

tl.func @every_op attributes {arg_names = ["x", "ids", "n"], arg_exprs = ["x", "ids", "x.size(0)"], constexprs = {_BLOCK_SIZE_0 = #builtin.int<64>, _SIZE = "x.size(1)"}, host = "def every_op(x, ids):\n    __launch__()\n    return x", options = {num_warps = #builtin.int<4>}} {
^bb0(%x: !tl.ptr<f32>, %ids: !tl.ptr<i32>, %n: i32):
  %block = tl.constexpr "_BLOCK_SIZE_0" : i32
  %pid = tl.program_id #builtin.int<0>
  %programs = tl.num_programs #builtin.int<1>
  %count = tl.cdiv %n, %block : i32
  %lanes = tl.arange : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %lanes64 = tl.arange : tensor<64xi32>
  %base = arith.muli %pid, %block : i32
  %bases = value.splat %base : i32 -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %offset = arith.addi %bases, %lanes : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %ends = value.splat %n : i32 -> tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %mask = value.compare "lt", %offset, %ends : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>> -> tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>>
  %zero = arith.constant 0.0 : f32
  %v = tl.load %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> other %zero : f32 {eviction_policy = "evict_last", cache_modifier = ".ca"} : !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
  %scalar = tl.load %x[%n] : !tl.ptr<f32>[i32] -> f32
  tl.store %v, %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> {cache_modifier = ".cs"} : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
  tl.debug_barrier
  %old = tl.atomic_rmw "add" "relaxed" %v, %x[%offset] mask %mask : tensor<?xi1, #tile.dims<_BLOCK_SIZE_0>> : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<f32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>] -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>
  %cas = tl.atomic_cas "acq_rel" %lanes, %offset, %ids[%offset] : tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>, !tl.ptr<i32>[tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>]
  %c1 = arith.constant 1 : i32
  %slice = tl.addptr %x, %base : !tl.ptr<f32>, i32
  %desc = tl.make_tensor_descriptor %slice shape(%n, %block : i32, i32) strides(%block, %c1 : i32, i32) : !tl.ptr<f32> -> !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>
  %tile = tl.descriptor_load %desc[%pid, %base] : !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32] -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  tl.descriptor_store %tile, %desc[%pid, %base] : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32]
  tl.descriptor_reduce "add" %tile, %desc[%pid, %base] : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, !tl.tensordesc<#tile.dims<_BLOCK_SIZE_0, 64>, f32>[i32, i32]

  %column = value.expand_dims %v {axis = #builtin.int<1>} : tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>> -> tensor<?x1xf32, #tile.dims<_BLOCK_SIZE_0, 1>>
  %wide = value.broadcast %column : tensor<?x1xf32, #tile.dims<_BLOCK_SIZE_0, 1>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %turned = value.permute %tile {order = array<i64: 1, 0>} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<64x?xf32, #tile.dims<64, _BLOCK_SIZE_0>>
  %flat = value.reshape %tile : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?xf32, #tile.dims<"64*_BLOCK_SIZE_0">>
  %pair = value.join %tile, %wide : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64x2xf32, #tile.dims<_BLOCK_SIZE_0, 64, 2>>
  %first, %second = value.split %pair : tensor<?x64x2xf32, #tile.dims<_BLOCK_SIZE_0, 64, 2>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>

  %less = value.compare "lt", %first, %second : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64xi1, #tile.dims<_BLOCK_SIZE_0, 64>>
  %least = value.select %less, %first, %second : tensor<?x64xi1, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %bits = value.bitcast %least : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> to tensor<?x64xi32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %cast = value.cast "extsi" %bits : tensor<?x64xi32, #tile.dims<_BLOCK_SIZE_0, 64>> to tensor<?x64xi64, #tile.dims<_BLOCK_SIZE_0, 64>>
  %power = value.libdevice "pow"(%first, %second) : (tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>) -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %max = tl.reduce "max" %tile {axis = #builtin.int<0>, ignore_nan} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<64xf32>
  %sum = tl.reduce "sum" %max {axis = #builtin.int<0>} : tensor<64xf32> -> f32
  %min, %at = tl.arg_reduce "min" %tile {axis = #builtin.int<1>} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?xf32, #tile.dims<_BLOCK_SIZE_0>>, tensor<?xi32, #tile.dims<_BLOCK_SIZE_0>>
  %prefix = tl.scan "sum" %tile {axis = #builtin.int<1>, reverse} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>> -> tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>
  %gathered = value.gather %max, %lanes64 {axis = #builtin.int<0>} : tensor<64xf32>, tensor<64xi32> -> tensor<64xf32>
  %acc = value.splat %zero : f32 -> tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>
  %dot = tl.dot %tile, %turned, %acc {precision = "tf32"} : tensor<?x64xf32, #tile.dims<_BLOCK_SIZE_0, 64>>, tensor<64x?xf32, #tile.dims<64, _BLOCK_SIZE_0>>, tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>
  %a, %b = tl.copy %dot, %sum : tensor<?x?xf32, #tile.dims<_BLOCK_SIZE_0, _BLOCK_SIZE_0>>, f32
  tl.return
} grid {
^bb1(%x_: !tl.ptr<f32>, %ids_: !tl.ptr<i32>, %n_: i32):
  %size = tl.constexpr "_BLOCK_SIZE_0" : i32
  %blocks = tl.cdiv %n_, %size : i32
  tl.launch_grid %blocks : i32
}

!t = tensor<64xf32>
!i = tensor<64xi32>
tl.func @opaque attributes {arg_names = ["x", "n", "big"], arg_exprs = ["x", "x.numel() + 1", "big"], constexprs = {}, host = "def opaque(x, big):\n    if big:\n        __launch__()\n", options = {}} {
^bb0(%x: !tl.ptr<f32>, %n: i32, %big: i64):
  %lanes = tl.arange : !i
  %v = tl.load %x[%lanes] : !tl.ptr<f32>[!i] -> !t
  inline_triton.snippet "tl.device_assert({0} > 0)"(%n) : (i32) -> ()
  %a = inline_triton.snippet pure "t = {0} * {{0: 2}}[0]\n{0} + t"(%v) : (!t) -> !t
  %d = inline_triton.call "scaled" source "@triton.jit\ndef scaled(x, factor, FLAG: tl.constexpr = False):\n    return x * factor\n" arguments "{0}, {1}, FLAG=True"(%a, %n) : (!t, i32) -> !t
  inline_triton.call "touch" source "@triton.jit\ndef touch(x):\n    tl.store(x, 1)\n"(%x) : (!tl.ptr<f32>) -> ()
  %e = inline_triton.asm pure "ex2.approx.f32 $0, $1;" "=f,f" pack 1(%d) : (!t) -> !t
  %f, %g = inline_triton.asm "mov.u32 $0, %clock; mov.u32 $1, $2;" "=r,=r,r" pack 2(%e) : (!t) -> (!i, !i)
  %peers = inline_triton.tuple(%x, %x) : (!tl.ptr<f32>, !tl.ptr<f32>) -> tuple<!tl.ptr<f32>, !tl.ptr<f32>>
  %one = arith.constant 1 : i32
  %peer = inline_triton.element %peers[%one] : tuple<!tl.ptr<f32>, !tl.ptr<f32>>, i32 -> !tl.ptr<f32>
  %p = math.fpowi %e, %f : !t, !i
  tl.store %p, %peer[%g] : !t, !tl.ptr<f32>[!i]
  tl.return
} grid {
^bb0(%x: !tl.ptr<f32>, %n: i32, %big: i64):
  %c4 = arith.constant 4 : i32
  %c0 = arith.constant 0 : i32
  %few = arith.minsi %n, %c4 : i32
  %none = arith.cmpi eq, %n, %c0 : i32
  %blocks = arith.select %none, %c0, %few : i32
  %more = arith.addi %few, %c4 : i32
  %twice = arith.muli %more, %c4 : i32
  tl.launch_grid %blocks, %twice : i32, i32
}

// CHECK: import torch
// CHECK-NEXT: import triton
// CHECK-NEXT: import triton.language as tl
// CHECK-NEXT: from triton.language.extra import libdevice
// CHECK: @triton.jit
// CHECK-NEXT: def _argmin(value, index, other, other_index):
// CHECK-NEXT:     nan = value != value
// CHECK-NEXT:     other_nan = other != other
// CHECK-NEXT:     wins = (value < other) | (nan & (other == other))
// CHECK-NEXT:     tie = (value == other) | (nan & other_nan)
// CHECK-NEXT:     wins = wins | (tie & (index < other_index))
// CHECK-NEXT:     return tl.where(wins, value, other), tl.where(wins, index, other_index)
// CHECK: @triton.jit
// CHECK-NEXT: def scaled(x, factor, FLAG: tl.constexpr = False):
// CHECK-NEXT:     return x * factor
// CHECK: @triton.jit
// CHECK-NEXT: def touch(x):
// CHECK-NEXT:     tl.store(x, 1)
// CHECK: def _alloc(size: int, alignment: int, stream: int | None) -> torch.Tensor:
// CHECK-NEXT:     return torch.empty(size, dtype=torch.int8, device="cuda")
// CHECK: @triton.jit
// CHECK-NEXT: def _every_op(x, ids, n, _BLOCK_SIZE_0: tl.constexpr, _SIZE: tl.constexpr):
// CHECK-NEXT:     pid = tl.program_id(0)
// CHECK-NEXT:     programs = tl.num_programs(1)
// CHECK-NEXT:     count = tl.cdiv(n, _BLOCK_SIZE_0)
// CHECK-NEXT:     lanes = tl.arange(0, _BLOCK_SIZE_0)
// CHECK-NEXT:     lanes64 = tl.arange(0, 64)
// CHECK-NEXT:     base = pid * _BLOCK_SIZE_0
// CHECK-NEXT:     offset = base + lanes
// CHECK-NEXT:     mask = offset < n
// CHECK-NEXT:     v = tl.load(x + offset, mask, other=0.0, eviction_policy="evict_last", cache_modifier=".ca")
// CHECK-NEXT:     scalar = tl.load(x + n)
// CHECK-NEXT:     tl.store(x + offset, v, mask, cache_modifier=".cs")
// CHECK-NEXT:     tl.debug_barrier()
// CHECK-NEXT:     old = tl.atomic_add(x + offset, v, mask=mask, sem="relaxed")
// CHECK-NEXT:     cas = tl.atomic_cas(ids + offset, lanes, offset, sem="acq_rel")
// CHECK-NEXT:     slice = x + base
// CHECK-NEXT:     desc = tl.make_tensor_descriptor(slice, [n, _BLOCK_SIZE_0], [_BLOCK_SIZE_0, 1], [_BLOCK_SIZE_0, 64])
// CHECK-NEXT:     tile = desc.load([pid, base])
// CHECK-NEXT:     desc.store([pid, base], tile)
// CHECK-NEXT:     desc.atomic_add([pid, base], tile)
// CHECK-NEXT:     wide = tl.broadcast_to(v[:, None], [_BLOCK_SIZE_0, 64])
// CHECK-NEXT:     turned = tl.permute(tile, [1, 0])
// CHECK-NEXT:     flat = tl.reshape(tile, [64*_BLOCK_SIZE_0])
// CHECK-NEXT:     pair = tl.join(tile, wide)
// CHECK-NEXT:     first, second = tl.split(pair)
// CHECK-NEXT:     less = first < second
// CHECK-NEXT:     least = tl.where(less, first, second)
// CHECK-NEXT:     bits = least.to(tl.int32, bitcast=True)
// CHECK-NEXT:     cast = bits.to(tl.int64)
// CHECK-NEXT:     power = libdevice.pow(first, second)
// CHECK-NEXT:     max = tl.max(tile, 0)
// CHECK-NEXT:     sum = tl.sum(max, 0)
// CHECK-NEXT:     min, at = tl.reduce((tile, tl.broadcast_to(tl.arange(0, 64)[None, :], [_BLOCK_SIZE_0, 64])), 1, _argmin)
// CHECK-NEXT:     prefix = tl.cumsum(tile, 1, reverse=True)
// CHECK-NEXT:     gathered = tl.gather(max, lanes64, 0)
// CHECK-NEXT:     acc = tl.full([_BLOCK_SIZE_0, _BLOCK_SIZE_0], 0.0, tl.float32)
// CHECK-NEXT:     dot = tl.dot(tile, turned, acc=acc)
// CHECK-NEXT:     a, b = dot, sum
// CHECK: def every_op(x, ids):
// CHECK-NEXT:     triton.set_allocator(_alloc)
// CHECK-NEXT:     _BLOCK_SIZE_0 = 64
// CHECK-NEXT:     _SIZE = x.size(1)
// CHECK-NEXT:     _every_op[(triton.cdiv(x.size(0), _BLOCK_SIZE_0),)](x, ids, x.size(0), _BLOCK_SIZE_0, _SIZE, num_warps=4)
// CHECK-NEXT:     return x
// CHECK: @triton.jit
// CHECK-NEXT: def _opaque(x, n, big: tl.int64):
// CHECK-NEXT:     lanes = tl.arange(0, 64)
// CHECK-NEXT:     v = tl.load(x + lanes)
// CHECK-NEXT:     tl.device_assert(n > 0)
// CHECK-NEXT:     t = v * {0: 2}[0]
// CHECK-NEXT:     a = v + t
// CHECK-NEXT:     d = scaled(a, n, FLAG=True)
// CHECK-NEXT:     touch(x)
// CHECK-NEXT:     e = tl.inline_asm_elementwise(asm='ex2.approx.f32 $0, $1;', constraints='=f,f', args=[d], dtype=tl.float32, is_pure=True, pack=1)
// CHECK-NEXT:     f, g = tl.inline_asm_elementwise(asm='mov.u32 $0, %clock; mov.u32 $1, $2;', constraints='=r,=r,r', args=[e], dtype=(tl.int32, tl.int32), is_pure=False, pack=2)
// CHECK-NEXT:     peers = (x, x)
// CHECK-NEXT:     peer = peers[1]
// CHECK-NEXT:     p = libdevice.pow(e, f)
// CHECK-NEXT:     tl.store(peer + g, p)
// CHECK: def opaque(x, big):
// CHECK-NEXT:     if big:
// CHECK-NEXT:         _opaque[(0 if (x.numel() + 1) == 0 else min(x.numel() + 1, 4), (min(x.numel() + 1, 4) + 4) * 4)](
// CHECK-NEXT:             x, x.numel() + 1, big,
// CHECK-NEXT:         )
