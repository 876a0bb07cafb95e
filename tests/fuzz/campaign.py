"""Rounds of random cases in one process: what is found is shrunk, told apart by its message, and written to files."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from .checks import Finding, Options, Refused, check_case
from .kernels import Case, cases

SHRINK_S = 60
"""How long one finding is shrunk."""
ROUND = 40
"""Cases of one run of hypothesis, which draws later ones near earlier ones."""
MEMORY_KB = 2_500_000
"""A process that holds more ends its campaign; another one goes on."""


LOST = ("CUDA error", "AcceleratorError", "illegal memory access")
"""Errors after which a process cannot use its GPU any more."""


class Enough(BaseException):
    """Ends a run of hypothesis that has shrunk long enough."""


@dataclass
class Tally:
    """What a campaign came to."""

    cases: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        for name in ("refusals", "findings", "features"):
            getattr(self, name).update(getattr(other, name))

    def to_json(self) -> str:
        return json.dumps({name: getattr(self, name) for name in ("cases", "refusals", "findings", "features")})

    @classmethod
    def from_json(cls, text: str) -> Tally:
        values = json.loads(text)
        counters = {name: Counter(values[name]) for name in ("refusals", "findings", "features")}
        return cls(values["cases"], **counters)

    def summary(self) -> str:
        """A few lines: cases, refusals by reason, findings by message."""
        refused, found = self.refusals.total(), self.findings.total()
        lines = [f"{self.cases} cases: {self.cases - refused - found} right, {refused} refused, {found} findings "
                 f"of {len(self.findings)} kinds"]  # fmt: skip
        lines += [f"  refused {count:5}  {reason}" for reason, count in self.refusals.most_common(12)]
        lines += [f"  finding {count:5}  {key}" for key, count in self.findings.most_common()]
        return "\n".join(lines)


class Findings:
    """A folder of reproducers, one of each kind of finding; several processes may write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def wanted(self, key: str) -> bool:
        """Whether another finding of this kind is of interest: a few where only the result is wrong, else one."""
        limit = 4 if "wrong result" in key else 1
        return len(list(self.folder.glob(f"{_slug(key)}-*.py"))) < limit

    def save(self, case: Case, found: Finding) -> Path:
        """Write a reproducer."""
        digest = hashlib.sha256(case.source.encode()).hexdigest()[:6]
        path = self.folder / f"{_slug(found.key)}-{digest}.py"
        path.write_text(reproducer(case, found), encoding="utf-8")
        return path


def _slug(key: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:90]


def reproducer(case: Case, found: Finding) -> str:
    """A module that shows the finding when it is run, and that `python -m tests.fuzz --replay` checks at all levels."""
    told = "\n".join(f"# {line}" for line in f"{found.stage}: {found.kind}\n{found.detail}".splitlines()[-40:])
    return f"""{told}
# features: {", ".join(sorted(case.features))}
{case.source}
SEED, CONFIGS = {case.seed}, {case.configs}
CONFIG = {found.config!r}

if __name__ == "__main__":
    for make in CALLS:
        compiled = helion_ir.compile(kernel, CONFIG, make("cpu"))
        compile(compiled.source, "<emitted>", "exec")
        args = make("cpu")
        print("got ", compiled(*args), "\\nargs", args)
        args = make("cpu")
        print("want", reference(*args), "\\nargs", args)
"""


class Round:
    """One run of hypothesis."""

    def __init__(
        self,
        options: Options,
        findings: Findings,
        tally: Tally,
        avoid: frozenset[str],
        ends: float,
        shrinks: bool = True,
    ) -> None:
        self.options, self.findings, self.tally, self.avoid, self.ends = options, findings, tally, avoid, ends
        self.shrinks = shrinks
        self.key: str | None = None
        self.best: tuple[Case, Finding] | None = None
        self.since = 0.0
        self.lost = False
        """Whether the device is of no more use to this process."""

    def check(self, case: Case) -> None:
        """What hypothesis calls."""
        if case.features & self.avoid:
            return
        if self.key is None and time.monotonic() > self.ends:
            raise Enough
        if self.key is not None and time.monotonic() - self.since > SHRINK_S:
            raise Enough
        if self.key is None:
            self.tally.cases += 1
            self.tally.features.update(case.features)
        options = self.options
        if self.best is not None:
            options = replace(
                options, only=self.best[1].stage, binary=options.binary if self.best[1].stage == "sm_90" else None
            )
        try:
            check_case(case, options, self.tally.cases if self.key is None else 0)
        except Refused as refused:
            if self.key is None:
                self.tally.refusals[re.sub(r"\d+", "#", str(refused))[:110]] += 1
        except Finding as found:
            self._found(case, found)

    def _found(self, case: Case, found: Finding) -> None:
        if self.key is None:
            self.tally.findings[found.key] += 1
            self.lost = any(word in found.kind for word in LOST)
            if not self.findings.wanted(found.key):
                return
            if self.lost:
                self.findings.save(case, found)
                raise Enough
            if not self.shrinks:
                self.findings.save(case, found)
                return
            self.key, self.since = found.key, time.monotonic()
        if found.key != self.key:
            return
        if self.best is None or len(case.source) <= len(self.best[0].source):
            self.best = case, found
        raise found


def run_round(round_: Round, number: int, examples: int = ROUND) -> Path | None:
    """A run of hypothesis from a seed; the file of what it found."""
    configured: Callable[[Callable[[Case], None]], Callable[[], None]] = lambda test: seed(number)(  # noqa: E731
        settings(
            max_examples=examples, database=None, deadline=None, report_multiple_bugs=False, print_blob=False,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
        )(given(cases())(test))
    )  # fmt: skip
    try:
        configured(round_.check)()
    except (Enough, Finding):
        pass
    except Exception:
        if round_.best is None:
            raise
    return round_.findings.save(*round_.best) if round_.best is not None else None


def campaign(
    options: Options, folder: Path, first_seed: int, seconds: float, avoid: frozenset[str] = frozenset(), *,
    examples: int = ROUND, most: int | None = None, shrinks: bool = True, say: Callable[[str], None] = print,
) -> Tally:  # fmt: skip
    """Rounds until the time is over, or `most` cases were run, or this process holds too much memory; with `shrinks`
    each finding is made smaller, which takes a minute."""
    ends = time.monotonic() + seconds
    tally, findings = Tally(), Findings(folder)
    number = first_seed
    while time.monotonic() < ends and (most is None or tally.cases < most):
        left = examples if most is None else min(examples, most - tally.cases)
        round_ = Round(options, findings, tally, avoid, ends, shrinks)
        path = run_round(round_, number, left)
        if path is not None:
            say(f"finding: {path}")
        number += 1
        if round_.lost or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MEMORY_KB:
            break
    return tally
