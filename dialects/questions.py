"""Block sizes that note what is asked of them, so that configs with the same answers can share what was made of one.

While one config is lowered, the sizes that it chose are `Asked` numbers. They compute and compare as ints do; each
answer that leaves them (a comparison, a truth value, a plain int) is a question of its `Questions`, spelled as a Python
expression over block symbols: `1024 % b0 == 0`, `b1 >= 16`. Whatever uses such a number in a way that this module does
not know gets an int by `__index__`, and then the question is its exact value. So passes are written on ints, and none
can depend on a size without that being noted.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, TypeGuard, cast
from weakref import WeakKeyDictionary

from xdsl.ir import Operation


class Questions:
    """What was asked of the sizes of some block symbols so far, and the answers."""

    def __init__(self, symbols: frozenset[str]) -> None:
        self.symbols = symbols
        self.answers: dict[str, Any] = {}

    def size(self, symbol: str, value: int) -> int:
        """The size of a symbol as a number that records the questions about it; `value` itself for other symbols."""
        return _number(self, symbol, value) if symbol in self.symbols else value


_ASKING: WeakKeyDictionary[Operation, Questions] = WeakKeyDictionary()


def note_questions(kernel: Operation, symbols: frozenset[str]) -> Questions:
    """Record from now on each question about the sizes of `symbols` in `kernel`."""
    questions = _ASKING[kernel] = Questions(symbols)
    return questions


def questions_of(kernel: Operation) -> Questions | None:
    """Where questions about the sizes of a kernel are noted; None if they are not."""
    return _ASKING.get(kernel)


def asked(kernel: Operation, name: str, value: int) -> int:
    """Another number of the config of `kernel`, which records the questions about it as block sizes do."""
    questions = questions_of(kernel)
    return value if questions is None else questions.size(name, value)


@lru_cache(maxsize=4096)
def _compiled(question: str) -> CodeType:
    return compile(question, "<question>", "eval")


_SCOPE: dict[str, Any] = {"__builtins__": {}, "gcd": math.gcd, "abs": abs}


def answer(question: str, sizes: Mapping[str, int]) -> Any:
    """The answer to a question for the sizes of another config."""
    return eval(_compiled(question), _SCOPE, sizes)


def parameter(size: int) -> int:
    """A size that the launch passes as a parameter: the code holds for any value, so no question is recorded."""
    number: object = size
    return number.asked_value if _is_asked(number) else size


def gcd(first: int, second: int) -> int:
    """`math.gcd`, which leaves open what it was asked of."""
    if _is_asked(first) or _is_asked(second):
        return _combined("gcd({}, {})", math.gcd, first, second)
    return math.gcd(first, second)


class Asked:
    """A number made of block sizes; `isinstance` takes it for an int."""

    __slots__ = ("asked_of", "asked_text", "asked_value")

    asked_of: Questions
    asked_text: str
    asked_value: int

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return int

    def asked_answer(self, text: str, value: Any) -> Any:
        self.asked_of.answers.setdefault(text, value)
        return value

    def __index__(self) -> int:
        return self.asked_answer(self.asked_text, self.asked_value)

    __int__ = __index__

    def __bool__(self) -> bool:
        return self.asked_answer(f"{self.asked_text} != 0", self.asked_value != 0)

    def __hash__(self) -> int:
        return hash(self.__index__())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__index__(), name)

    def __repr__(self) -> str:
        return repr(self.__index__())

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.__index__(), spec)

    def __abs__(self) -> int:
        return _number(self.asked_of, f"abs({self.asked_text})", abs(self.asked_value))

    def __neg__(self) -> int:
        return _number(self.asked_of, f"(-{self.asked_text})", -self.asked_value)

    def __pos__(self) -> int:
        return cast("int", self)


def _number(questions: Questions, text: str, value: int) -> int:
    number = object.__new__(Asked)
    number.asked_of, number.asked_text, number.asked_value = questions, text, value
    return cast("int", number)


def _is_asked(value: object) -> TypeGuard[Asked]:
    """What `isinstance` cannot tell."""
    return type(value) is Asked


def _is_whole(value: object) -> bool:
    return type(value) is int or type(value) is Asked or type(value) is bool


def _part(value: Any) -> tuple[str, int]:
    return (
        (value.asked_text, value.asked_value)
        if type(value) is Asked
        else (f"({value})" if value < 0 else str(value), value)
    )


def _combined(template: str, function: Callable[[int, int], int], left: Any, right: Any) -> int:
    """A number computed from two, of which at least one records questions."""
    (first, one), (second, other) = _part(left), _part(right)
    questions = left.asked_of if type(left) is Asked else right.asked_of
    return _number(questions, template.format(first, second), function(one, other))


def _arithmetic(symbol: str, function: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    template = f"({{}} {symbol} {{}})"

    def forward(self: Asked, other: Any) -> Any:
        if _is_whole(other):
            return _combined(template, function, self, other)
        return function(self.__index__(), other)

    def reflected(self: Asked, other: Any) -> Any:
        if _is_whole(other):
            return _combined(template, function, other, self)
        return function(other, self.__index__())

    return forward, reflected


def _comparison(symbol: str, function: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def compare(self: Asked, other: Any) -> Any:
        if not _is_whole(other):
            return function(self.__index__(), other) if isinstance(other, float) else NotImplemented
        text, value = _part(other)
        result = function(self.asked_value, value)
        return result if text == self.asked_text else self.asked_answer(f"{self.asked_text} {symbol} {text}", result)

    return compare


def _exact(function: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Asked, other: Any) -> Any:
        return function(self.__index__(), other)

    def reflected(self: Asked, other: Any) -> Any:
        return function(other, self.__index__())

    return forward, reflected


for _name, _symbol in (
    ("add", "+"), ("sub", "-"), ("mul", "*"), ("floordiv", "//"), ("mod", "%"), ("and", "&"), ("or", "|"),
):  # fmt: skip
    _function = getattr(operator, f"__{_name}__")
    _forward, _reflected = _arithmetic(_symbol, _function)
    setattr(Asked, f"__{_name}__", _forward)
    setattr(Asked, f"__r{_name}__", _reflected)
for _name in ("truediv", "pow", "lshift", "rshift", "xor"):
    _forward, _reflected = _exact(getattr(operator, f"__{_name}__"))
    setattr(Asked, f"__{_name}__", _forward)
    setattr(Asked, f"__r{_name}__", _reflected)
for _name, _symbol in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
    setattr(Asked, f"__{_name}__", _comparison(_symbol, getattr(operator, _name)))


__all__ = ["Questions", "answer", "asked", "gcd", "note_questions", "parameter", "questions_of"]
