"""Random structured control flow: what prints must compute what the SSA values say.

The programs are scalar, so that the printed statements are plain Python: they run with a stand-in for `tl` that
records stores, and are compared with a direct evaluation of the IR from before prepare-for-print.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from helion_ir.backends.triton import emit
from helion_ir.backends.triton.passes.prepare_for_print import prepare
from helion_ir.dialects import tl
from xdsl.builder import Builder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i32
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

HINTS = (None, None, "acc", "x", "acc", "for", "tl", "_max", "out")


class Program:
    """Builds one random function: every value of the body may be read by anything below it."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.func = tl.FuncOp("f", ["out", "a", "b"], ["out", "a", "b"], [tl.PtrType(i32), i32, i32], constexprs={})
        self.out = self.func.body.block.args[0]
        self.stores = 0
        builder = Builder(InsertPoint.at_end(self.func.body.block))
        values = [*self.func.body.block.args[1:], self.constant(builder, 3), self.constant(builder, 0)]
        self.statements(builder, values, depth=0, count=8)
        builder.insert(tl.ReturnOp())
        Builder(InsertPoint.at_end(self.func.grid.block)).insert(
            tl.LaunchGridOp([self.constant(Builder(InsertPoint.at_end(self.func.grid.block)), 1)])
        )

    def constant(self, builder: Builder, value: int) -> SSAValue:
        return builder.insert(arith.ConstantOp(IntegerAttr(value, i32))).result

    def pick(self, values: list[SSAValue]) -> SSAValue:
        """Mostly recent values, so that copies and old values meet."""
        return self.random.choice(values[-6:] if self.random.random() < 0.7 else values)

    def hint(self, *values: SSAValue) -> None:
        for value in values:
            value.name_hint = self.random.choice(HINTS)

    def statements(self, builder: Builder, values: list[SSAValue], depth: int, count: int) -> None:
        makers: list[Callable[[Builder, list[SSAValue], int], list[SSAValue]]] = [self.binary, self.binary, self.store]
        if depth < 3:
            makers += [self.loop, self.loop, self.branch, self.branch, self.loop_while]
        for _ in range(self.random.randint(1, count)):
            new = self.random.choice(makers)(builder, values, depth)
            self.hint(*new)
            values += new

    def binary(self, builder: Builder, values: list[SSAValue], depth: int) -> list[SSAValue]:
        op = self.random.choice((arith.AddiOp, arith.SubiOp, arith.XOrIOp))
        return [builder.insert(op(self.pick(values), self.pick(values))).results[0]]

    def store(self, builder: Builder, values: list[SSAValue], depth: int) -> list[SSAValue]:
        self.stores += 1
        builder.insert(tl.StoreOp(self.out, self.constant(builder, self.stores), self.pick(values)))
        return []

    def condition(self, builder: Builder, values: list[SSAValue]) -> SSAValue:
        predicate = self.random.choice(("slt", "sge", "eq"))
        return builder.insert(arith.CmpiOp(self.pick(values), self.pick(values), predicate)).result

    def yields(self, values: list[SSAValue], args: list[SSAValue]) -> list[SSAValue]:
        """New values, or a permutation of the carried ones: swaps and lost copies."""
        return [self.random.choice((self.pick(values), self.random.choice(args))) for _ in args]

    def loop(self, builder: Builder, values: list[SSAValue], depth: int) -> list[SSAValue]:
        inits = [self.pick(values) for _ in range(self.random.randint(1, 3))]
        bounds = [self.constant(builder, n) for n in (0, self.random.randint(0, 3), 1)]
        body = Block(arg_types=[i32] * (len(inits) + 1))
        self.hint(*body.args)
        inner, scope = Builder(InsertPoint.at_end(body)), [*values, *body.args]
        self.statements(inner, scope, depth + 1, 5)
        inner.insert(scf.YieldOp(*self.yields(scope, list(body.args[1:]))))
        return list(builder.insert(scf.ForOp(*bounds, inits, body)).results)

    def loop_while(self, builder: Builder, values: list[SSAValue], depth: int) -> list[SSAValue]:
        """A counted loop, whose first region may hold more than the condition."""
        inits = [self.constant(builder, 0), *(self.pick(values) for _ in range(self.random.randint(1, 2)))]
        types = [i32] * len(inits)
        before, after = Block(arg_types=types), Block(arg_types=types)
        self.hint(*before.args, *after.args)
        first, scope = Builder(InsertPoint.at_end(before)), [*values, *before.args]
        limit = self.constant(first, self.random.randint(0, 3))
        test = first.insert(arith.CmpiOp(before.args[0], limit, "slt")).result
        passed: list[SSAValue] = list(before.args)
        if self.random.random() < 0.5:
            self.statements(first, scope, 3, 2)
            passed = [before.args[0], *self.yields(scope, list(before.args[1:]))]
        first.insert(scf.ConditionOp(test, *passed))
        inner, scope = Builder(InsertPoint.at_end(after)), [*values, *after.args]
        self.statements(inner, scope, depth + 1, 3)
        one = self.constant(inner, 1)
        count = inner.insert(arith.AddiOp(after.args[0], one)).result
        inner.insert(scf.YieldOp(count, *self.yields(scope, list(after.args[1:]))))
        return list(builder.insert(scf.WhileOp(inits, types, Region(before), Region(after))).results)

    def branch(self, builder: Builder, values: list[SSAValue], depth: int) -> list[SSAValue]:
        condition = self.condition(builder, values)
        arms = [Block(), Block()]
        count = self.random.randint(0, 2)
        for arm in arms:
            inner, scope = Builder(InsertPoint.at_end(arm)), list(values)
            self.statements(inner, scope, depth + 1, 3)
            inner.insert(scf.YieldOp(*(self.pick(scope) for _ in range(count))))
        return list(builder.insert(scf.IfOp(condition, [i32] * count, [arms[0]], [arms[1]])).results)


class Evaluator:
    """What the SSA values are, by definition."""

    def __init__(self, args: list[int]):
        self.args = args
        self.stored: list[tuple[int, int]] = []

    def run(self, func: tl.FuncOp) -> list[tuple[int, int]]:
        self.block(func.body.block, dict(zip(func.body.block.args, (0, *self.args), strict=True)))
        return self.stored

    def block(self, block: Block, env: dict[SSAValue, int]) -> Operation:
        op: Operation | None = None
        for op in block.ops:
            args = [env[value] for value in op.operands]
            match op:
                case arith.ConstantOp():
                    assert isinstance(op.value, IntegerAttr)
                    results = [op.value.value.data]
                case arith.AddiOp():
                    results = [args[0] + args[1]]
                case arith.SubiOp():
                    results = [args[0] - args[1]]
                case arith.XOrIOp():
                    results = [args[0] ^ args[1]]
                case arith.CmpiOp():
                    results = [
                        (args[0] == args[1], None, args[0] < args[1], 0, 0, args[0] >= args[1])[op.predicate.value.data]
                    ]
                case tl.StoreOp():
                    self.stored.append((env[op.offset], env[op.value]))
                    results = []
                case scf.IfOp():
                    arm = (op.true_region if args[0] else op.false_region).block
                    results = [env[value] for value in self.block(arm, env).operands]
                case scf.ForOp():
                    results = args[3:]
                    for i in range(*args[:3]):
                        env.update(zip(op.body.block.args, (i, *results), strict=True))
                        results = [env[value] for value in self.block(op.body.block, env).operands]
                case scf.WhileOp():
                    results = self.loop_while(op, args, env)
                case _:
                    results = []
            env.update(zip(op.results, results, strict=True))
        assert op is not None
        return op

    def loop_while(self, op: scf.WhileOp, values: list[int], env: dict[SSAValue, int]) -> list[int]:
        while True:
            env.update(zip(op.before_region.block.args, values, strict=True))
            test, *values = (env[value] for value in self.block(op.before_region.block, env).operands)
            if not test:
                return values
            env.update(zip(op.after_region.block.args, values, strict=True))
            values = [env[value] for value in self.block(op.after_region.block, env).operands]


def run_source(source: str, args: list[int]) -> list[tuple[int, int]]:
    """Run the statements of an emitted scalar kernel as plain Python."""
    stored: list[tuple[int, int]] = []
    lines = source.split("@triton.jit\n")[1]
    tl_stand_in = SimpleNamespace(
        store=lambda address, value: stored.append((address, value)),
        full=lambda shape, value, dtype: value,
        int32=0,
        int1=0,
    )
    namespace: dict[str, object] = {"tl": tl_stand_in}
    exec(lines, namespace)
    kernel = namespace["_f"]
    assert callable(kernel)
    kernel(0, *args)
    return stored


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_printed_statements_compute_the_ssa_values(first: int) -> None:
    stores = 0
    for seed in range(first, first + 50):
        program = Program(seed)
        module = ModuleOp([program.func])
        module.verify()
        args = [seed % 5 - 2, seed % 3]
        expected = Evaluator(args).run(program.func)
        prepare(program.func)
        module.verify()
        source = emit(module)
        assert run_source(source, args) == expected, f"seed {seed}:\n{source}"
        stores += len(expected)
    assert stores > 20
