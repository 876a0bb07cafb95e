"""Compile emitted Triton source for GPUs that this machine does not have, and say what the binary takes.

Triton is imported when something is compiled, not before.
"""

from __future__ import annotations

import builtins
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import IntAttr, IntegerType, ModuleOp, Signedness, StringAttr, TupleType
from xdsl.ir import Attribute

from .... import exc
from ....dialects import tl
from ....dialects.quick import ops_in
from ....dialects.targets import GPU
from ....sizes import MULTIPROCESSORS, TOGETHER
from ...base import CompiledBinary
from ...load import load_source
from ..expressions import DTYPES
from ..symm_mem_rows import REQUIRED
from ..targets import TARGETS


def triton_type(type_: Attribute) -> str | tuple[str, ...]:
    """The type of a parameter in Triton's signatures: `*bf16`, `i32`, `fp64`."""
    if isinstance(type_, tl.PtrType):
        return f"*{triton_type(type_.element_type)}"
    if isinstance(type_, TupleType):
        return tuple(str(triton_type(item)) for item in type_.types)
    if isinstance(type_, IntegerType):
        width = type_.width.data
        return f"{'u' if type_.signedness.data is Signedness.UNSIGNED or width == 1 else 'i'}{width}"
    return DTYPES[type(type_)].replace("bfloat", "bf").replace("float", "fp")


def kernel_of(func: tl.FuncOp | ModuleOp) -> tl.FuncOp:
    """The kernel of a module that has one."""
    if isinstance(func, tl.FuncOp):
        return func
    kernels = [op for op in func.body.block.ops if isinstance(op, tl.FuncOp)]
    if len(kernels) != 1:
        raise ValueError(f"expected a module with one tl.func, got {len(kernels)}")
    return kernels[0]


_compiled: dict[tuple[object, ...], CompiledBinary] = {}


def compile_for(
    source: str,
    func: tl.FuncOp | ModuleOp,
    target: str,
    *,
    constexprs: Mapping[str, int] | None = None,
    divisible: Collection[str] = (),
) -> CompiledBinary:
    """Compile a kernel for a target.

    Args:
        source: the emitted module.
        func: the `tl.func` that it was printed from, or a module with one: gives parameter types and options.
        target: a key of `TARGETS`.
        constexprs: values of the constexpr parameters that the host computes at each call. The number of
            multiprocessors is known per target.
        divisible: the integer parameters that are multiples of 16, as Triton assumes from the values of a call.
            Pointers always are.

    Raises:
        KeyError: an unknown target, or a constexpr without a value.
        BackendUnsupported: the kernel has text for another kind of GPU.
    """
    func = kernel_of(func)
    _check_target(func, target)
    values = {name: _constexpr(name, value, target, constexprs or {}) for name, value in func.constexprs.data.items()}
    options = {name: value.data for name, value in func.options.data.items() if isinstance(value, IntAttr)}
    types = {name.data: triton_type(arg.type) for name, arg in zip(func.arg_names, func.body.block.args, strict=True)}
    key = (
        hashlib.sha256(source.encode()).digest(), func.sym_name.data, target,
        *sorted(values.items()), *sorted(options.items()), *types.items(), *sorted(divisible),
    )  # fmt: skip
    if key not in _compiled:
        _compiled[key] = _compile(
            source, func.sym_name.data, TARGETS[target], target, types, values, options, divisible
        )
    return _compiled[key]


def _check_target(func: tl.FuncOp, target: str) -> None:
    """Refuse text for another platform, which makes LLVM end the process."""
    for op in ops_in(func.body.block):
        needed = REQUIRED.get(type(op))
        if needed is not None and needed != TARGETS[target].platform:
            raise exc.BackendUnsupported(
                f"{op.name} requires the platform {needed}, but {target} is not one of its",
                location=exc.SourceLocation.of_op(op),
            )


class _Host:
    """Placeholder for any value in a host expression; nothing can be computed with it."""

    def __getattr__(self, name: str) -> _Host:
        return self

    def __call__(self, *args: object) -> _Host:
        return self


def _constexpr(name: str, value: Attribute, target: str, given: Mapping[str, int]) -> int:
    """The value of a constexpr parameter; a host expression may depend on nothing but the device."""
    if name == tl.EARLY:
        return int(_starts_early(TARGETS[target]))
    if name in given:
        return given[name]
    if isinstance(value, IntAttr):
        return value.data
    assert isinstance(value, StringAttr)
    code = compile(value.data, name, "eval")
    unknown = {name: _Host() for name in code.co_names if not hasattr(builtins, name)}
    known = {MULTIPROCESSORS: lambda tensor: TARGETS[target].multiprocessors, TOGETHER: lambda tensor, count: count}
    try:
        result = eval(code, {**unknown, **known})
    except TypeError:
        result = None
    if not isinstance(result, int):
        raise KeyError(f"constexpr {name} = {value.data} depends on the arguments of a call: pass its value")
    return result


def _starts_early(gpu: GPU) -> bool:
    """Whether kernels can start before the one before them has ended. Source: PTX ISA, `griddepcontrol`."""
    return gpu.platform == "cuda" and isinstance(gpu.arch, int) and gpu.arch >= 90


def _compile(
    source: str,
    name: str,
    gpu: GPU,
    target: str,
    types: Mapping[str, str | tuple[str, ...]],
    constexprs: Mapping[str, int],
    options: Mapping[str, int],
    divisible: Collection[str],
) -> CompiledBinary:
    triton, compiler = import_module("triton"), import_module("triton.compiler")
    kernel = getattr(load_source(source, name), f"_{name}")
    if not isinstance(kernel, triton.JITFunction):
        raise RuntimeError("TRITON_INTERPRET is set: Triton cannot compile in this process")
    signature = {**types, **dict.fromkeys(constexprs, "constexpr")}
    aligned = {path: [["tt.divisibility", 16]] for path in _aligned_paths(types, divisible)}
    ast_source = compiler.ASTSource(fn=kernel, signature=signature, constexprs=dict(constexprs), attrs=aligned)
    gpu_target = import_module("triton.backends.compiler").GPUTarget(gpu.platform, gpu.arch, gpu.warp_size)
    known = {n: v for n, v in options.items() if n not in ("maxnreg", tl.EARLY_LAUNCH) or gpu.platform == "cuda"}
    known["enable_fp_fusion"] = True  # Triton 3.9 warns that 3.10 will have another default
    binary = triton.compile(ast_source, target=gpu_target, options=known)
    registers, spills = resources_of(binary.asm, gpu, options.get("maxnreg"))
    return CompiledBinary(
        target, gpu, binary.metadata.num_warps, binary.metadata.shared, registers, spills, dict(binary.asm.items())
    )


def _aligned_paths(types: Mapping[str, str | tuple[str, ...]], divisible: Collection[str]) -> Iterator[tuple[int, ...]]:
    """The parameters that get multiples of 16: pointers, also those in tuples, and the parameters in `divisible`."""
    for number, (name, type_) in enumerate(types.items()):
        if isinstance(type_, tuple):
            yield from ((number, item) for item, member in enumerate(type_) if member.startswith("*"))
        elif type_.startswith("*") or name in divisible:
            yield (number,)


def _ptxas_resources(asm: Mapping[str, Any], gpu: GPU, maxnreg: int | None) -> tuple[int, int]:
    """Registers and spilled bytes as the ptxas that Triton ships reports them: its metadata has them on a GPU only."""
    ptxas = import_module("triton.backends.nvidia.compiler").get_ptxas(gpu.arch)
    arch = re.search(r"^\.target\s+(\w+)", asm["ptx"], re.MULTILINE)
    assert arch is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(asm["ptx"])
        limit = [f"--maxrregcount={maxnreg}"] if maxnreg else []
        command = [ptxas.path, "-v", *limit, f"--gpu-name={arch[1]}", str(path), "-o", f"{folder}/kernel.cubin"]
        log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    registers = re.search(r"Used (\d+) registers", log)
    spills = re.search(r"(\d+) bytes spill stores", log)
    return int(registers[1]) if registers else 0, int(spills[1]) if spills else 0


def _amdgcn_resources(asm: Mapping[str, Any], gpu: GPU, maxnreg: int | None) -> tuple[int, int]:
    """Vector registers and spilled ones, from the kernel's metadata in the assembly."""

    def count(name: str) -> int:
        found = re.search(rf"^\s*\.{name}:\s*(\d+)", asm["amdgcn"], re.MULTILINE)
        return int(found[1]) if found else 0

    return count("vgpr_count"), count("vgpr_spill_count")


_RESOURCES: dict[str, Callable[..., tuple[int, int]]] = {"cuda": _ptxas_resources, "hip": _amdgcn_resources}


def resources_of(asm: Mapping[str, Any], gpu: GPU, maxnreg: int | None = None) -> tuple[int, int]:
    """Registers of a thread, and what it spills (bytes on NVIDIA, registers on AMD), of a compiled kernel's `asm`."""
    return _RESOURCES[gpu.platform](asm, gpu, maxnreg)
