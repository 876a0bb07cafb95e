"""Programs with mistakes: good kernels with a token or two deleted, doubled, swapped, or replaced by another.

Whatever a mutant raises must be an error of the user's: of `exc`, with place and hint; or one of Python's, with the
place as a note. `python -m tests.fuzz.mutations SECONDS SEED` tries many.
"""

from __future__ import annotations

import ast
import io
import linecache
import random
import re
import sys
import time
import tokenize
import warnings
from collections import Counter
from contextlib import redirect_stderr, suppress
from typing import Any

import torch

from helion_ir import exc

HEAD = """
import torch, helion_ir
import helion_ir.language as hl
import torch.nn.functional as F


@helion_ir.kernel(autotune_effort="none", ignore_warnings=[helion_ir.exc.BaseWarning], static_shapes=STATIC)
def mutant(x, y):
"""
BODIES = (
    """
    m, n = x.size()
    n, p = y.size()
    out = torch.empty([m, p], dtype=x.dtype, device=x.device)
    for tile_m, tile_p in hl.tile([m, p]):
        acc = hl.zeros([tile_m, tile_p], dtype=torch.float32)
        for tile_n in hl.tile(n):
            acc = torch.addmm(acc, x[tile_m, tile_n], y[tile_n, tile_p])
        out[tile_m, tile_p] = acc
    return out
""",
    """
    rows = x.size(0)
    out = torch.empty_like(x)
    total = torch.zeros(rows)
    for t in hl.tile(rows):
        v = x[t, :]
        top = v.amax(1, keepdim=True)
        e = torch.exp(v - top)
        s = e.sum(dim=1)
        out[t, :] = e / s[:, None]
        hl.atomic_add(total, [t], s)
    return out, total
""",
    """
    n = x.size(0)
    out = x.new_empty(n)
    scale = 2.0
    def act(v, shift=1):
        return F.relu(v) * scale + shift
    for t in hl.tile(n, block_size=8):
        acc = hl.zeros([t])
        for i in range(3):
            if t.begin > 4:
                acc = acc + x[t, i] * i
            else:
                acc += act(x[t, i], shift=2)
        k = 0
        while k < 2:
            acc = acc - k
            k += 1
        parts = [acc, acc + 1]
        out[t] = parts[0] + sum(parts) + (1 if n > 3 else 0)
    return out
""",
    """
    out = torch.zeros([x.size(0), y.size(1)], dtype=torch.float32)
    index = torch.arange(x.size(0))
    limit = int(index.max().item())
    for i in hl.grid(x.size(0)):
        for u in hl.tile(y.size(1)):
            r = index[i]
            v = hl.load(y, [r, u])
            w = torch.where(u.index > limit, v, v.to(torch.float16).float())
            hl.store(out, [i, u], w + x[i, 0], extra_mask=u.index < 9)
    return out
""",
)
WORDS = (
    "x", "y", "m", "n", "t", "tile_m", "acc", "v", "out", "hl", "torch", "0", "1", "-1", "3.5", "None", "'s'", "[", "]",
    "(", ")", ",", ":", "+", "*", "@", "==", "=", "if", "for", "in", "hl.tile", "hl.zeros", "x.shape", "sum", "y[t]",
    "not", "lambda", "torch.int32", "range(4)", "hl.arange(8)", ".foo", "...", "[]",
)  # fmt: skip
_KINDS = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
_KEYWORDS = frozenset(("def", "for", "in", "return", "while", "if", "else"))
_OF_OURS = re.compile(r"HostTensor|DeviceTensor|\bSym[IFB]\w+|\bssa\b|_read_|xdsl|\bb\d\b")


def mutated(body: str, rng: random.Random) -> str:
    """The body of a function with one token changed."""
    tokens = [t for t in tokenize.generate_tokens(io.StringIO("if True:\n" + body).readline) if t.type in _KINDS][3:]
    token = rng.choice(tokens)
    lines = body.splitlines(keepends=True)
    row, begin, end = token.start[0] - 2, token.start[1], token.end[1]
    line = lines[row]
    later = [t for t in tokens if t.start[0] == token.start[0] and t.start[1] >= end]
    names = [t.string for t in tokens if t.type == tokenize.NAME and t.string not in _KEYWORDS]
    match rng.choice(("delete", "replace", "replace", "double", "swap", "insert", "rename", "rename")):
        case "replace":
            middle = rng.choice(WORDS)
        case "double":
            middle = f"{token.string} {token.string}"
        case "insert":
            middle = f"{token.string} {rng.choice(WORDS)} "
        case "rename":
            middle = rng.choice(names)
        case "swap" if later:
            other = rng.choice(later)
            middle = other.string + line[end : other.start[1]] + token.string
            end = other.end[1]
        case _:
            middle = ""
    lines[row] = line[:begin] + middle + line[end:]
    return "".join(lines)


def mutant(rng: random.Random, number: int) -> tuple[str, Any] | None:
    """A file's name and the kernel in it; None for a text that is no Python, or changes attributes."""
    body = rng.choice(BODIES)
    for _ in range(rng.choice((1, 1, 1, 2))):
        with suppress(tokenize.TokenError, SyntaxError):
            body = mutated(body, rng)
    text, name = HEAD.replace("STATIC", rng.choice(("True", "False"))) + body, f"<mutant {number}>"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code = compile(text, name, "exec")
        except (SyntaxError, ValueError):
            return None
    if any(isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) for n in ast.walk(ast.parse(text))):
        return None  # it may change a module
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": "mutant"}
    exec(code, names)
    return name, names["mutant"]


def complaint(error: Exception, file: str) -> str | None:
    """What is wrong with what a mutant raised; None for an error as it should be."""
    if isinstance(error, exc.InternalError):
        return "a bug"
    if not isinstance(error, exc.Base):
        noted = "\n".join((str(error), *getattr(error, "__notes__", ())))
        return None if f"--> {file}:" in noted else "no place"
    if error.location is None or error.location.file != file:
        return "no place"
    if not error.hint:
        return "no hint"
    return "a name of ours" if _OF_OURS.search(error.message) else None


def attempt(rng: random.Random, number: int) -> tuple[str, str | None]:
    """What one mutant did (`no Python`, `runs`, or the class that it raised), and what is wrong with that."""
    made = mutant(rng, number)
    if made is None:
        return "no Python", None
    file, kernel = made
    try:
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernel(torch.randn(9, 12), torch.randn(12, 10))
    except Exception as error:
        wrong = complaint(error, file)
        if wrong is not None:
            wrong = f"{wrong}: {type(error).__name__}: {error}\n{''.join(linecache.getlines(file))}"
        return type(error).__name__, wrong
    finally:
        linecache.cache.pop(file, None)
    return "runs", None


def main() -> None:
    """Try mutants for a while; print what is wrong, and how often what was raised."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    rng, seen, end, number = random.Random(seed), Counter[str](), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        kind, wrong = attempt(rng, number)
        seen[kind] += 1
        if wrong is not None:
            print(wrong, end="\n\n")
    print(seen)


if __name__ == "__main__":
    main()
