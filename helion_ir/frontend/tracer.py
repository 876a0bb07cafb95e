"""The state of one trace: block sizes, size symbols, kernel arguments, tiles, and run-time scalars.

The tracer is also the `Context` of symbolic numbers: on the host it answers from this call's values and records
guards, on the device it emits ops.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import IntegerType, f32, i1, i64
from xdsl.ir import Attribute, Block, SSAValue

from .. import exc
from ..dialects import tile
from ..dialects.dims import Dim, dims_of
from ..language.tiles import Tile
from .builder import Builder, ref_element_type
from .expressions import Poly
from .source import FunctionSource, current_location
from .symbolic import FLOAT_FUNCTIONS, BoolNode, FloatNode, IntNode, poly_of, sym_int
from .tensors import DeviceTensor, HostTensor

_PREDICATES: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_INTEGER_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "floordiv": operator.floordiv, "mod": operator.mod, "max": max, "min": min, "lshift": operator.lshift,
    "rshift": operator.rshift, "and": operator.and_, "or": operator.or_, "xor": operator.xor,
}  # fmt: skip
_SPELLINGS = {"floordiv": "//", "mod": "%"}
_INTEGER_OPS: dict[str, Callable[..., Any]] = {
    "floordiv": arith.FloorDivSIOp, "max": arith.MaxSIOp, "min": arith.MinSIOp, "lshift": arith.ShLIOp,
    "rshift": arith.ShRSIOp, "and": arith.AndIOp, "or": arith.OrIOp, "xor": arith.XOrIOp,
}  # fmt: skip
_FLOAT_OPS: dict[str, Callable[..., Any]] = {
    "add": arith.AddfOp, "sub": arith.SubfOp, "mul": arith.MulfOp, "float_truediv": arith.DivfOp,
    "float_pow": math.PowFOp, "neg": arith.NegfOp, "abs": math.AbsFOp, "sym_max": arith.MaximumfOp,
    "sym_min": arith.MinimumfOp, "sqrt": math.SqrtOp, "exp": math.ExpOp, "log": math.LogOp, "sin": math.SinOp,
    "cos": math.CosOp, "tanh": math.TanhOp, "log2": math.Log2Op,
}  # fmt: skip
_SYMBOL = re.compile(r"\bs\d+\b")


@dataclass(frozen=True)
class Options:
    """What the settings say to the frontend."""

    static_shapes: bool = True
    index_dtype: torch.dtype = torch.int32
    dot_precision: str = "tf32"
    ignore_warnings: tuple[type[exc.BaseWarning], ...] = ()


class Retrace(Exception):
    """Two sizes must be one for this trace to make sense; as they are in this call, trace again with that known."""

    def __init__(self, lhs: Poly, rhs: Poly):
        super().__init__()
        self.equality = (lhs, rhs)


class Tracer:
    """One trace of one kernel."""

    def __init__(self, source: FunctionSource, options: Options):
        self.source = source
        self.options = options
        self.builder = Builder()
        self.index_type = IntegerType(64 if options.index_dtype == torch.int64 else 32)
        self.device = torch.device("cpu")
        self.parameters: tuple[str, ...] = ()
        self.in_device = False
        self.failed_in_device = False
        self.internal = 0  # how deep inside PyTorch's own code
        self.named_device: torch.device | None = None  # what the user gave to the factory that is running
        self.effects = 0  # ops with effects so far
        self._ends: dict[SSAValue, Poly] = {}  # the end of each loop tile, where host sizes say it

        self.kernel_block = Block()
        self.arg_names: list[str] = []
        self.arg_exprs: list[str] = []
        self._args: dict[object, SSAValue] = {}
        self._kept: list[object] = []  # objects whose ids are keys must live

        self.blocks: dict[str, tile.BlockAttr] = {}
        self.registrations: dict[tuple[int, int], str] = {}  # line and column of the call → its block
        self.symbol_exprs: dict[str, str] = {}
        self.int_args: dict[str, str] = {}
        self.used_symbols: dict[str, str] = {}
        self.hints: dict[str, int] = {}
        self.merged: dict[str, Poly] = {}
        self.guards: dict[str, None] = {}
        self.stride_symbols: set[str] = set()

        self.atoms: dict[str, Callable[[], SSAValue]] = {}
        self._atom_types: dict[str, IntegerType] = {}
        self._polys: dict[str, Poly] = {}
        self._sizes: dict[Dim, int | torch.SymInt] = {}
        self._reals: dict[int, HostTensor] = {}
        self._open: list[Block] = []  # blocks around the one being filled
        self._scopes: list[list[SSAValue]] = []  # tiles of the loops around, innermost last
        self.paths: dict[int, str] = {}  # id of a host object → the host expression of it
        self.find_real: Callable[[torch.Tensor], str | None] = lambda _: None

    # Places

    def called(self) -> None:
        """Note where the user's code is, for the ops that follow."""
        self.builder.at(current_location(self.source.file))

    @contextmanager
    def inside_torch(self) -> Any:
        """PyTorch's own code runs: comparisons of sizes are its shape checks, not the user's."""
        self.internal += 1
        try:
            yield
        finally:
            self.internal -= 1

    @contextmanager
    def inside_kernel(self) -> Any:
        """Device code: ops go into the kernel's body."""
        self.builder.block = self.kernel_block
        try:
            yield
        except Exception:
            self.failed_in_device = True
            raise

    def warn(self, warning: exc.BaseWarning) -> None:
        """Print a warning with the current place."""
        warning.location = warning.location or current_location(self.source.file)
        exc.warn(warning, self.options.ignore_warnings)

    # Symbols and block sizes

    def new_block(self, low: int = 1, high: int | None = None) -> str:
        """A new block symbol."""
        name = f"b{len(self.blocks)}"
        self.blocks[name] = tile.BlockAttr(low, high)
        return name

    def new_symbol(self, expr: str, hint: int, *, argument: bool = False) -> Poly:
        """A new size symbol for a host expression; `argument` for an int argument, whose sign is unknown."""
        name = f"s{len(self.symbol_exprs)}"
        self.symbol_exprs[name] = expr
        self.hints[name] = hint
        if argument:
            self.int_args[name] = expr
        return Poly.atom(name)

    def specialize(self, value: torch.SymInt) -> int:
        """Make a size a constant of this specialization."""
        poly = self.resolved(poly_of(value))
        hint = self.hint_of(poly)
        if hint is None:
            raise exc.SpecializeArgType(f"{poly} depends on a block size, which is no constant")
        self.guard("eq", poly, Poly.constant(hint))
        return hint

    def registered(self, block: str) -> None:
        """Note that the host code's call at the current place registered `block`."""
        place = current_location(self.source.file)
        if place is not None:
            self.registrations[(place.line, place.column)] = block

    def resolved(self, poly: Poly) -> Poly:
        """The expression with symbols that turned out equal replaced."""
        return poly.substitute(self.merged) if self.merged else poly

    def dim(self, size: int | torch.SymInt) -> Dim:
        """The dim that spells a size; its symbols are part of the kernel from now on."""
        if isinstance(size, int):
            return size
        poly = self.resolved(poly_of(size))
        if any(atom.startswith("@") for atom in poly.atoms()):
            raise exc.ShapeSpecializingAllocation(
                f"the size {poly} is known on the device only", hint="sizes are tiles, block sizes, or host sizes"
            )
        dim = poly.as_dim()
        if isinstance(dim, str):
            self._polys[dim] = poly
            for name in _SYMBOL.findall(dim):
                self.used_symbols[name] = self.symbol_exprs[name]
        return dim

    def poly_of_dim(self, dim: Dim) -> Poly:
        """The expression of a dim."""
        if isinstance(dim, int):
            return Poly.constant(dim)
        return self._polys.get(dim) or Poly.atom(dim)

    def size(self, dim: Dim) -> int | torch.SymInt:
        """The size that PyTorch sees for a dim."""
        size = self._sizes.get(dim)
        if size is None:
            size = self._sizes[dim] = sym_int(self, self.poly_of_dim(dim))
        return size

    def fixed(self, dim: Dim) -> int | None:
        """The value of a dim, if it is a constant or a block size that the user fixed."""
        if isinstance(dim, int):
            return dim
        block = self.blocks.get(dim)
        return None if block is None else block.fixed

    def must_equal(self, a: Dim, b: Dim) -> None:
        """Two dims meet where PyTorch wants equal sizes (or a 1): trace again with that as a guard, if it holds now."""
        lhs, rhs = (self.resolved(self.poly_of_dim(d)) for d in (a, b))
        if any(atom in self.blocks for poly in (lhs, rhs) for atom in poly.atoms()):
            return
        left, right = self.hint_of(lhs), self.hint_of(rhs)
        if left is None or right is None:
            return
        if left == right:
            raise Retrace(lhs, rhs)
        for poly, hint in ((lhs, left), (rhs, right)):
            if hint == 1 and poly.value is None:
                raise Retrace(poly, Poly.constant(1))

    # Kernel arguments

    def argument(self, key: object, expr: str, type_: Attribute, keep: object = None) -> SSAValue:
        """The kernel argument for `key`; made at its first use, with the host expression `expr`."""
        value = self._args.get(key)
        if value is None:
            name = base = re.sub(r"\W+", "_", expr.replace(".__closure__", "").replace(".cell_contents", "")).strip("_")
            suffix = 1
            while name in self.arg_names:
                name, suffix = f"{base}_{suffix}", suffix + 1
            value = self.kernel_block.insert_arg(type_, len(self.arg_names))
            value.name_hint = name if name.isidentifier() else None
            self.arg_names.append(name)
            self.arg_exprs.append(expr)
            self._args[key] = value
            self._kept.append(keep)
        return value

    def keep(self, value: object) -> None:
        """Keep an object alive whose id is a key."""
        self._kept.append(value)

    def ref(self, tensor: HostTensor) -> SSAValue:
        """The ref of a host tensor."""
        expr = self.paths.get(id(tensor))
        if expr is None:
            raise exc.HostTensorDirectUsage(
                "a host tensor without a name is used in device code", hint="assign it to a variable in host code"
            )
        sizes = [self.dim(d) for d in tensor.inner.size()]
        strides = [self._stride(s, f"{expr}.stride({i})") for i, s in enumerate(tensor.inner.stride())]
        offset, item = tensor.inner.storage_offset(), tensor.inner.element_size()
        align = next(a for a in (16, 8, 4, 2, 1) if (isinstance(offset, int) and offset * item % a == 0) or a <= item)
        type_ = tile.RefType(sizes, strides, ref_element_type(tensor.dtype), align)
        return self.argument(("tensor", id(tensor)), expr, type_, tensor)

    def _stride(self, stride: int | torch.SymInt, expr: str) -> Dim:
        """The dim of a stride; where it depends on strides of arguments, it is asked of the tensor itself.

        Whether a reshape copies, say, may differ from call to call.
        """
        poly = poly_of(stride)
        if not any(atom in self.stride_symbols for atom in poly.atoms()):
            return self.dim(stride)
        symbol = next((name for name, known in self.symbol_exprs.items() if known == expr), None)
        if symbol is None:
            symbol = str(self.new_symbol(expr, self.hint_of(poly) or 1))
            self.stride_symbols.add(symbol)
        return self.dim(torch.SymInt(IntNode(self, Poly.atom(symbol))))

    def host_tensor(self, tensor: torch.Tensor) -> HostTensor:
        """The host tensor that stands for a tensor met in device code (one that a global or closure holds, too)."""
        if isinstance(tensor, HostTensor):
            return tensor
        if id(tensor) in self._reals:
            return self._reals[id(tensor)]
        expr = self.find_real(tensor)
        if expr is None:
            raise exc.HostTensorDirectUsage(
                "a tensor that is no argument, no variable of the kernel and no global is used in device code"
            )
        result = HostTensor.make(meta_like(tensor.shape, tensor.stride(), tensor.dtype), tensor.device)
        self.paths[id(result)] = expr
        self._reals[id(tensor)] = result
        self._kept.append(tensor)
        return result

    # Tiles

    @contextmanager
    def tiles_active(self, tiles: Sequence[SSAValue]) -> Any:
        """The body of a loop over `tiles`."""
        self._scopes.append(list(tiles))
        try:
            yield
        finally:
            self._scopes.pop()

    def set_end(self, value: SSAValue, end: Poly) -> None:
        """Note where the loop of a tile ends."""
        self._ends[value] = end

    def ends_within(self, value: SSAValue, size: int | torch.SymInt) -> bool:
        """Whether a tile's valid lanes are known to lie within a dimension of `size`."""
        end = self._ends.get(value)
        return end is not None and self._settle("le", self.resolved(end) - self.resolved(poly_of(size))) is True

    def axis_tile(self, dim: Dim, known: SSAValue | None) -> SSAValue:
        """The tile of an axis: the one it came from, else the innermost of its block, else the whole dim."""
        if known is not None and self._in_scope(known):
            return known
        for scope in reversed(self._scopes):
            for value in scope:
                if isinstance(value.type, tile.TileType) and value.type.dim == dim:
                    return value
        if (
            isinstance(dim, str)
            and any(atom in self.blocks for atom in self.poly_of_dim(dim).atoms())
            and dim not in (self.blocks)
        ):
            raise exc.ReductionOnNonTile(f"an axis of size {dim} is neither a tile nor a full slice")
        return self.builder.emit(tile.WholeOp(dim))

    def _in_scope(self, value: SSAValue) -> bool:
        """Whether a value is defined in the current block or one around it."""
        owner = value.owner if isinstance(value.owner, Block) else value.owner.parent
        return owner is self.builder.block or any(owner is block for block in self._open)

    @contextmanager
    def into(self, block: Block) -> Any:
        """Emit into `block`, nested in the current one."""
        outer, place = self.builder.block, self.builder.location
        self._open.append(outer)
        self.builder.block = block
        try:
            yield block
        finally:
            self.builder.block, self.builder.location = outer, place
            self._open.pop()

    def make_tile(self, value: SSAValue) -> Tile:
        """The user's view of a tile."""
        assert isinstance(value.type, tile.TileType)
        result = Tile(IntNode(self, self.poly_of_dim(value.type.dim)))
        result.ssa = value
        return result

    # Device values

    def tensor(
        self,
        ssa: SSAValue,
        dtype: torch.dtype,
        tiles: Sequence[SSAValue | None] | None = None,
        *,
        reduced: bool = False,
    ) -> DeviceTensor:
        """The tensor that PyTorch sees for an SSA value."""
        dims = dims_of(ssa)
        axis_tiles = (None,) * len(dims) if tiles is None else tuple(tiles)
        return DeviceTensor.make(ssa, [self.size(d) for d in dims], dtype, self.device, axis_tiles, reduced)

    def device_scalar(
        self, make: Callable[[], SSAValue], name: str | None = None, element: IntegerType | None = None
    ) -> torch.SymInt:
        """A run-time integer as Python's number; `make` emits it (again, in each place that needs it)."""
        name = f"@{len(self.atoms)}" if name is None else f"@{name}"
        self.atoms.setdefault(name, make)
        self._atom_types[name] = element or self.index_type
        return torch.SymInt(IntNode(self, Poly.atom(name)))

    def integer(self, value: int | torch.SymInt, element: IntegerType | None = None) -> SSAValue:
        """A number as an SSA scalar of the index type, or of `element`."""
        return self.materialize(poly_of(value), element or self.index_type)

    def materialize(self, poly: Poly, element: IntegerType) -> SSAValue:
        """Emit an integer expression."""
        poly = self.resolved(poly)
        if (value := poly.value) is not None:
            return self.builder.constant(value, element)
        static = {atoms: k for atoms, k in poly.terms.items() if all(map(self._is_symbolic, atoms))}
        result: SSAValue | None = None
        if any(static) or not set(poly.terms) - set(static):
            result = self._symbolic(Poly(static), element)
        elif static:
            result = self.builder.constant(static[()], element)
        for atoms, factor in poly.terms.items():
            if atoms not in static:
                term = self._product(atoms, factor, element)
                result = term if result is None else self.builder.emit(arith.AddiOp(result, term))
        assert result is not None
        return result

    def _is_symbolic(self, atom: str) -> bool:
        return not atom.startswith("@") and atom not in self.int_args

    def _symbolic(self, poly: Poly, element: IntegerType) -> SSAValue:
        dim = self.dim(torch.SymInt(IntNode(self, poly)))
        return self.builder.integer(self.builder.emit(tile.SymbolOp(dim, self.index_type)), element)

    def _product(self, atoms: tuple[str, ...], factor: int, element: IntegerType) -> SSAValue:
        result: SSAValue | None = None
        for atom in atoms:
            value = self.builder.integer(self._atom(atom, element), element)
            result = value if result is None else self.builder.emit(arith.MuliOp(result, value))
        assert result is not None
        if factor != 1:
            result = self.builder.emit(arith.MuliOp(result, self.builder.constant(factor, element)))
        return result

    def _atom(self, atom: str, element: IntegerType) -> SSAValue:
        if atom in self.atoms:
            return self.atoms[atom]()
        if atom in self.int_args:
            return self.argument(("int", atom), self.int_args[atom], i64)
        return self._symbolic(Poly.atom(atom), element)

    def value_type(self, poly: Poly) -> IntegerType:
        """The type in which an integer expression is computed as a value: i64 if an int argument is in it."""
        if any(atom in self.int_args for atom in poly.atoms()):
            return i64
        for atom in poly.atoms():
            if self._atom_types.get(atom) == i64:
                return i64
        return self.index_type

    def float_value(self, node: FloatNode) -> SSAValue:
        """A float as an SSA scalar."""
        if node.ssa is not None:
            return node.ssa
        if node.constant_value is not None:
            return self.builder.constant(node.constant_value, f32)
        expr = self.paths.get(id(node))
        if expr is None:
            raise exc.UnsupportedPythonType("a host float without a name is used in device code")
        return self.argument(("float", id(node)), expr, f32, node)

    def bool_value(self, node: BoolNode) -> SSAValue:
        """A truth value as an SSA scalar."""
        if isinstance(node.value, SSAValue):
            return node.value
        if isinstance(node.value, bool):
            return self.builder.constant(node.value, i1)
        expr = self.paths.get(id(node))
        if expr is None:
            raise exc.UnsupportedPythonType("a host truth value without a name is used in device code")
        return self.argument(("bool", id(node)), expr, i1, node)

    # The context of symbolic numbers

    def hint_of(self, poly: Poly) -> int | None:
        """The value of an expression in this call; None where a tuned block size or the device decides it."""
        total = 0
        for atoms, factor in self.resolved(poly).terms.items():
            for atom in atoms:
                hint = self.hints.get(atom, self.fixed(atom))
                if hint is None:
                    return None
                factor *= hint
            total += factor
        return total

    def guard(self, predicate: str, lhs: Poly, rhs: Poly) -> None:
        """This trace is right only for calls in which the host sees the same truth."""
        if predicate == "eq":
            self._merge(lhs, rhs)
        spelled = [_SYMBOL.sub(lambda m: f"({self.symbol_exprs[m[0]]})", str(side)) for side in (lhs, rhs)]
        self.guards[f"{spelled[0]} {_SIGNS[predicate]} {spelled[1]}"] = None

    def _merge(self, lhs: Poly, rhs: Poly) -> None:
        for symbol, other in ((rhs.single, lhs), (lhs.single, rhs)):
            if symbol is not None and _SYMBOL.fullmatch(symbol) and symbol not in str(other):
                self.merged = {name: poly.substitute({symbol: other}) for name, poly in self.merged.items()}
                self.merged[symbol] = other
                self._sizes.clear()
                return

    def compare(self, predicate: str, lhs: Poly, rhs: Poly) -> bool | SSAValue:
        lhs, rhs = self.resolved(lhs), self.resolved(rhs)
        known = self._settle(predicate, lhs - rhs)
        if known is not None:
            return known
        if self.in_device and self.internal and all(self._is_symbolic(a) for p in (lhs, rhs) for a in p.atoms()):
            return self._assume(predicate, lhs - rhs)
        hint, other = self.hint_of(lhs), self.hint_of(rhs)
        if self.in_device:
            self.called()
            element = max((self.value_type(lhs), self.value_type(rhs)), key=lambda t: t.width.data)
            operands = [self.materialize(side, element) for side in (lhs, rhs)]
            return self.builder.emit(tile.CompareOp(predicate, *operands))
        if hint is None or other is None:
            raise exc.ShapeSpecializingCall(f"host code compares {lhs} with {rhs}, which depends on a tuned block size")
        truth = _PREDICATES[predicate](hint, other)
        if self.internal and self._harmless(predicate, lhs, rhs, truth):
            return truth
        opposite = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}
        self.guard(predicate if truth else opposite[predicate], lhs, rhs)
        return truth

    def _harmless(self, predicate: str, lhs: Poly, rhs: Poly, truth: bool) -> bool:
        """Whether the truth of a check of PyTorch's own on the host need not be guarded.

        What is about strides need not: the host code runs in each call, and strides are passed by it. Nor does the
        usual answer about sizes 0 and 1: where another size would broadcast, an equality is guarded, too.
        """
        if any(atom in self.stride_symbols for poly in (lhs, rhs) for atom in poly.atoms()):
            return True
        small = any(poly.value in (-1, 0, 1, 2) for poly in (lhs, rhs))
        return small and truth == self._assume(predicate, lhs - rhs)

    def _settle(self, predicate: str, difference: Poly) -> bool | None:
        """The truth of `difference <predicate> 0` that holds whatever the sizes are (none is negative)."""
        if (value := difference.value) is not None:
            return _PREDICATES[predicate](value, 0)
        if not all(self._is_symbolic(atom) for atom in difference.atoms()):
            return None
        low, negated = self._at_least(difference), self._at_least(-difference)
        if low > 0 or negated > 0:
            return _PREDICATES[predicate](1 if low > 0 else -1, 0)
        if low == 0 and predicate in ("ge", "lt"):
            return predicate == "ge"
        if negated == 0 and predicate in ("le", "gt"):
            return predicate == "le"
        return None

    def _at_least(self, poly: Poly) -> float:
        """A lower bound, from: block sizes are at least 1, sizes at least 0."""
        bound: float = 0
        for atoms, factor in poly.terms.items():
            if factor < 0 and atoms:
                return -inf
            if all(atom in self.blocks for atom in atoms):
                bound += factor
        return bound

    def _assume(self, predicate: str, difference: Poly) -> bool:
        """What PyTorch's shape checks see of symbolic sizes: distinct, and large."""
        if predicate in ("eq", "ne"):
            return predicate == "ne"
        leading = sum(factor for atoms, factor in difference.terms.items() if atoms)
        return (leading > 0) == (predicate in ("gt", "ge"))

    def integer_op(self, name: str, lhs: Poly, rhs: Poly) -> Poly:
        lhs, rhs = self.resolved(lhs), self.resolved(rhs)
        a, b = lhs.value, rhs.value
        if a is not None and b is not None:
            return Poly.constant(_INTEGER_FUNCTIONS[name](a, b))
        if name == "mod" and lhs.exact_div(rhs) is not None:
            return Poly({})
        if name in ("max", "min") and (not self.in_device or self.internal):
            return lhs if self.compare("ge" if name == "max" else "le", lhs, rhs) else rhs
        symbolic = all(not atom.startswith("@") for poly in (lhs, rhs) for atom in poly.atoms())
        if symbolic and name in _SPELLINGS:
            text = f"({_group(lhs)} {_SPELLINGS[name]} {_group(rhs)})"
            left, right = self.hint_of(lhs), self.hint_of(rhs)
            if left is not None and right is not None and right:
                self.hints[text] = _INTEGER_FUNCTIONS[name](left, right)
            return Poly.atom(text)
        if not self.in_device:
            return Poly.constant(_INTEGER_FUNCTIONS[name](self.int_of(lhs), self.int_of(rhs)))
        if name == "mod":
            return lhs - self.integer_op("floordiv", lhs, rhs) * rhs
        self.called()
        element = max((self.value_type(lhs), self.value_type(rhs)), key=lambda t: t.width.data)
        operands = [self.materialize(side, element) for side in (lhs, rhs)]
        result = self.builder.emit(_INTEGER_OPS[name](*operands))
        return poly_of(self.device_scalar(lambda: result, element=element))

    def int_of(self, poly: Poly) -> int:
        poly = self.resolved(poly)
        if (value := poly.value) is not None:
            return value
        hint = self.hint_of(poly)
        only_fixed = hint is not None and not any(_SYMBOL.search(atom) for atom in poly.atoms())
        if hint is None or (self.in_device and not only_fixed):
            raise exc.ShapeSpecializingCall(
                f"Python needs the value of {poly} at compile time", hint="use hl.specialize() in host code for a size"
            )
        if not only_fixed:
            self.guard("eq", poly, Poly.constant(hint))
        return hint

    def to_float(self, poly: Poly) -> FloatNode:
        if (value := self.resolved(poly).value) is not None:
            return FloatNode(self, constant_value=float(value))
        if not self.in_device:
            hint = self.hint_of(poly)
            return FloatNode(self, hint=float(self.int_of(poly)) if hint is None else float(hint))
        self.called()
        return FloatNode(self, self.builder.emit(arith.SIToFPOp(self.materialize(poly, self.value_type(poly)), f32)))

    def float_op(self, name: str, args: list[FloatNode]) -> FloatNode | BoolNode:
        values = [a.constant_value if a.constant_value is not None else a.hint for a in args]
        constant = all(a.constant_value is not None for a in args)
        if constant or not self.in_device:
            result = FLOAT_FUNCTIONS[name](*values)
            if isinstance(result, bool):
                if not constant:
                    self.guards[f"{_spell(self, args[0])} {_SIGNS[name]} {_spell(self, args[1])} is {result}"] = None
                return BoolNode(self, result)
            return FloatNode(self, constant_value=result) if constant else FloatNode(self, hint=result)
        self.called()
        operands = [self.float_value(a) for a in args]
        if name in _SIGNS:
            return BoolNode(self, self.builder.emit(tile.CompareOp(name, *operands)))
        if name not in _FLOAT_OPS:
            raise exc.InductorLoweringError(f"no lowering for {name!r} of a run-time float")
        return FloatNode(self, self.builder.emit(_FLOAT_OPS[name](*operands)))

    def float_of(self, node: FloatNode) -> float:
        if node.constant_value is not None:
            return node.constant_value
        if node.hint is None or self.in_device:
            raise exc.ShapeSpecializingCall("Python needs the value of a run-time float at compile time")
        self.guards[f"{_spell(self, node)} == {node.hint!r}"] = None
        return node.hint

    def bool_op(self, name: str, args: list[BoolNode]) -> BoolNode:
        if not self.in_device:
            values = [self.bool_of(a) for a in args]
            result = {"and": all, "or": any, "not": lambda v: not v[0], "eq": lambda v: v[0] == v[1]}[name](values)
            return BoolNode(self, result)
        self.called()
        operands = [self.bool_value(a) for a in args]
        if name in ("not", "eq"):
            operands = [*operands, self.builder.constant(True, i1)][:2]
            result = self.builder.emit(arith.XOrIOp(*operands))
            if name == "eq":
                result = self.builder.emit(arith.XOrIOp(result, self.builder.constant(True, i1)))
            return BoolNode(self, result)
        return BoolNode(self, self.builder.emit((arith.AndIOp if name == "and" else arith.OrIOp)(*operands)))

    def bool_of(self, node: BoolNode) -> bool:
        if isinstance(node.value, bool):
            return node.value
        if node.hint is None or self.in_device:
            raise exc.NotAllowedOnDevice(
                "Python needs a run-time condition at compile time",
                hint="`if`, `while` and conditional expressions of the kernel itself can be run-time branches",
            )
        self.guards[f"{self.paths.get(id(node), '?')} is {node.hint}"] = None
        return node.hint


def _group(poly: Poly) -> str:
    dim = poly.as_dim()
    return str(dim) if isinstance(dim, int) or poly.single else f"({dim})"


def _spell(tracer: Tracer, node: FloatNode) -> str:
    return repr(node.constant_value) if node.constant_value is not None else tracer.paths.get(id(node), "?")


def meta_like(shape: Sequence[Any], strides: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
    """A meta tensor; call it outside of the modes of a trace."""
    with torch.utils._python_dispatch._disable_current_modes():
        return torch.empty_strided(tuple(shape), tuple(strides), dtype=dtype, device="meta")
