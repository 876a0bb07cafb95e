"""Corrections of Triton's own interpreter, in the test process that runs emitted sources with it.

Some of its operations are in the way of tests (in Triton 3.6 to 3.9):

- It has no `tl.dot_scaled`.
- It keeps bfloat16 numbers as 16-bit integers. Loads, stores and casts know this, but `tl.dot` multiplies the integers.
  Operands are widened to float32, which is exact (float16 ones too, for which NumPy's product is slow).
- `tl.reduce` with a function of ours takes Python through the elements one by one, minutes for a small matrix.
  It is called on whole arrays instead, neighbours with neighbours, which asks of it no more than to be associative.
- Its casts from and to bfloat16 and 8-bit floats convert the integers that stand for them, but for a few pairs, and
  round otherwise than hardware does. They go through torch.
- It wants blocks of descriptors to begin at multiples of 16 bytes, which hardware does not ask for.
- It cannot take bools as arguments, in 3.7.
- It cannot make a constant of bfloat16, and libdevice's functions give None.
- In 3.9 `tl.full` of a bool makes integers, which loads and stores then refuse as a mask. Their masks are made bool.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.language.extra import libdevice
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

from helion_ir.interpreter.dot_scaled import dot_scaled


def _widened(operand: Any) -> Any:
    """A half-precision operand in float32; any other as it is."""
    data = operand.data
    if operand.dtype.scalar == tl.bfloat16:
        data = (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    elif operand.dtype.scalar == tl.float16:
        data = data.view(np.float16).astype(np.float32)
    return operand if data is operand.data else interpreter.TensorHandle(data, tl.float32)


def correct_dots() -> None:
    """Make `tl.dot` right for bfloat16 operands."""
    builder: Any = interpreter.InterpreterBuilder
    original = builder.create_dot

    def create_dot(self: Any, lhs: Any, rhs: Any, *rest: Any) -> Any:
        return original(self, _widened(lhs), _widened(rhs), *rest)

    builder.create_dot = create_dot


def supply_scaled_dots() -> None:
    """Give `tl.dot_scaled`, which the interpreter lacks, the meaning that it has in ours."""
    builder: Any = interpreter.InterpreterBuilder

    def create_dot_scaled(self: Any, lhs: Any, lhs_scale: Any, _: Any, rhs: Any, rhs_scale: Any, *rest: Any) -> Any:
        product = dot_scaled(*map(_to_torch, (lhs, lhs_scale, rhs, rhs_scale)))
        return interpreter.TensorHandle(rest[-1].data + product.numpy(), tl.float32)

    builder.create_dot_scaled = create_dot_scaled
    semantic: Any = TritonSemantic
    original = semantic.dot_scaled

    def call(self: Any, *args: Any) -> Any:
        return original(self, *(tl.constexpr(arg) if isinstance(arg, str) else arg for arg in args))

    semantic.dot_scaled = call


def vectorize_reductions() -> None:
    """Make `tl.reduce` call its function on arrays."""
    operations: Any = interpreter.ReduceOps
    original = operations.generic_reduce

    def generic_reduce(self: Any, input: tuple[Any, ...]) -> Any:
        axis = self.axis
        if axis is None:
            return original(self, input)
        dtypes = [each.dtype for each in input]
        values = [np.moveaxis(each.handle.data, axis, -1) for each in input]
        while (size := values[0].shape[-1]) > 1:
            assert size % 2 == 0, "Triton's sizes are powers of two"
            typed = list(zip(values, dtypes, strict=True))
            combined = self.combine_fn.fn(*(self.to_tensor(v[..., side::2], t) for side in (0, 1) for v, t in typed))
            values = [each.handle.data for each in (combined if isinstance(combined, tuple) else (combined,))]
        values = [np.moveaxis(v, -1, axis) if self.keep_dims else v[..., 0] for v in values]
        return [self.to_tensor(value, dtype) for value, dtype in zip(values, dtypes, strict=True)]

    operations.generic_reduce = generic_reduce


def _with_bool_mask(original: Any, position: int) -> Any:
    """`original`, whose argument number `position` is a mask."""

    def masked(self: Any, *args: Any, **options: Any) -> Any:
        mask = args[position]
        if isinstance(mask, interpreter.TensorHandle):
            mask = interpreter.TensorHandle(mask.data.astype(np.bool_), tl.int1)
        return original(self, *args[:position], mask, *args[position + 1 :], **options)

    return masked


def correct_masks() -> None:
    """Make loads and stores take a mask that `tl.full` made."""
    builder: Any = interpreter.InterpreterBuilder
    for name, position in (("create_masked_load", 1), ("create_masked_store", 2)):
        setattr(builder, name, _with_bool_mask(getattr(builder, name), position))


_TORCH_TYPES = {
    tl.bfloat16: (torch.bfloat16, torch.int16, np.uint16),
    tl.float8e4nv: (torch.float8_e4m3fn, torch.int8, np.uint8),
    tl.float8e5: (torch.float8_e5m2, torch.int8, np.uint8),
}
"""Types that NumPy lacks: torch's, the integer of its size, and the interpreter's."""


def _to_torch(handle: Any) -> torch.Tensor:
    """The numbers of a handle, whatever stands for them."""
    data = np.array(handle.data)
    dtype = handle.dtype.scalar
    if dtype not in _TORCH_TYPES:
        return torch.from_numpy(data)
    own, integer, _ = _TORCH_TYPES[dtype]
    return torch.from_numpy(data.view(f"int{8 * data.itemsize}")).view(integer).view(own)


def _from_torch(value: torch.Tensor, type_: Any) -> Any:
    """A handle of a scalar type that holds a tensor's numbers, converted."""
    scalar = type_.scalar
    if scalar not in _TORCH_TYPES:
        return interpreter.TensorHandle(value.numpy().astype(interpreter._get_np_dtype(scalar)), scalar)
    own, integer, stored = _TORCH_TYPES[scalar]
    return interpreter.TensorHandle(value.to(own).view(integer).numpy().view(stored), scalar)


def correct_casts() -> None:
    """Make casts from and to types that NumPy lacks convert numbers, and round to nearest."""
    builder: Any = interpreter.InterpreterBuilder
    original, between_floats = builder.cast_impl, builder.create_fp_to_fp

    def cast_impl(self: Any, src: Any, dst_type: Any) -> Any:
        if src.dtype.scalar not in _TORCH_TYPES and dst_type.scalar not in _TORCH_TYPES:
            return original(self, src, dst_type)
        value = _to_torch(src)
        return _from_torch(value.double() if value.is_floating_point() else value, dst_type)

    def create_fp_to_fp(self: Any, src: Any, dst_type: Any, rounding_mode: Any) -> Any:
        if rounding_mode not in (None, interpreter._ir.ROUNDING_MODE.RTNE):
            return between_floats(self, src, dst_type, rounding_mode)
        return _from_torch(_to_torch(src).double(), dst_type)

    def get_bf16(self: Any, value: float) -> Any:
        return _from_torch(torch.tensor([value]), tl.bfloat16)

    builder.cast_impl, builder.create_fp_to_fp, builder.get_bf16 = cast_impl, create_fp_to_fp, get_bf16


def _elementwise(function: Any) -> Any:
    """A libdevice function that computes with torch."""

    def call(*args: Any, _semantic: Any = None) -> Any:
        first = next(arg for arg in args if isinstance(arg, tl.tensor))
        values = [_to_torch(arg.handle) if isinstance(arg, tl.tensor) else torch.tensor(arg) for arg in args]
        result = function(*values)
        return tl.tensor(_from_torch(result, first.dtype), first.type)

    return call


def supply_libdevice() -> None:
    """Give libdevice's functions a meaning in the interpreter: that of torch's of the same name."""
    others = {
        "div_rn": torch.div,
        "erfcx": torch.special.erfcx,
        "fast_expf": torch.exp,
        "nearbyint": torch.round,
        "rint": torch.round,
    }
    for name in dir(libdevice):
        function = others.get(name, getattr(torch, name, None))
        if function is not None and not name.startswith("_") and callable(getattr(libdevice, name)):
            setattr(libdevice, name, _elementwise(function))


def relax_descriptors() -> None:
    """Let blocks of tensor descriptors begin anywhere."""
    descriptor: Any = interpreter.TensorDescHandle

    def materialize_pointers(self: Any, offsets: list[Any]) -> Any:
        itemsize = self.base.dtype.element_ty.primitive_bitwidth // 8
        pointers, masks = np.broadcast_to(self.base.data, self.block_shape), np.ones(self.block_shape, dtype=bool)
        for dim, (size, offset) in enumerate(zip(self.block_shape, offsets, strict=True)):
            along = (offset.data + np.arange(size)).reshape([-1 if i == dim else 1 for i in range(len(offsets))])
            pointers = pointers + (itemsize * along * self.strides[dim].data).astype(np.uint64)
            masks = masks & (along >= 0) & (along < self.shape[dim].data)
        return interpreter.TensorHandle(pointers, self.base.dtype.scalar), masks

    descriptor.materialize_pointers = materialize_pointers


def accept_bools() -> None:
    """Let arguments be bools."""
    module: Any = interpreter
    original = module._implicit_cvt

    def implicit_cvt(arg: Any) -> Any:
        if isinstance(arg, bool):
            return tl.tensor(interpreter.TensorHandle(np.array([arg], dtype=np.bool_), tl.int1), tl.int1)
        return original(arg)

    module._implicit_cvt = implicit_cvt


def correct_interpreter() -> None:
    """Apply all of them."""
    accept_bools()
    correct_casts()
    relax_descriptors()
    supply_libdevice()
    correct_dots()
    supply_scaled_dots()
    vectorize_reductions()
    correct_masks()
