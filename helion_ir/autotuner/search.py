"""The search loop: candidates are prepared, compiled ahead, checked, measured, and told to the strategy.

With a GPU, worker processes compile while this one measures; generations overlap, so that a candidate that takes long
to compile holds up none of the others. Without one (a benchmark function measures), all is done in order, and equal
seeds give equal searches.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch

from .. import exc
from ..backends.base import Resources
from ..config import Config
from ..dialects.targets import GPU
from ..runtime.specialized import SpecializedKernel
from ..settings import Settings
from .accuracy import Baseline, Run, Tolerance, WrongResultError
from .efforts import MINIMAL_GAIN, Effort
from .measure import DeviceMeasure, GivenMeasure, Measure, in_turns
from .progress import Reporter
from .resources import PrunedError, TileSizes, rule_out
from .strategies import Status, Strategy, Trial
from .workers import NoWorkersError, TaskFailedError, Workers, default_jobs

CLOSE = 1.15
"""Leaders are measured again if they are within this factor of the best."""
FINAL_ROUNDS = 5
RESERVE_SHARE = 0.05
"""The share of a budget that is kept for the leaders' last measurement."""


@dataclass(frozen=True)
class Outcome:
    """What a search found, and what it took.

    `tried` counts distinct candidates, of which some `failed` (the compiler or the launch), were `wrong`, or `pruned`
    before they ran. Seconds are from the beginning; `seconds_to_best`: until the config that won was measured first.
    """

    config: Config
    milliseconds: float
    tried: int
    failed: int
    wrong: int
    pruned: int
    generations: int
    seconds: float
    seconds_to_best: float
    interrupted: bool
    history: tuple[Trial, ...] = field(repr=False)


@dataclass(frozen=True)
class _Candidate:
    """A config that is lowered. `proposed`: as the strategy knows it; `run` takes the kernel's arguments."""

    proposed: Config
    config: Config
    run: Run
    timed: Run
    """What is measured: `run`, or for a benchmark function the kernel under that config."""


class Search:
    """One search of a bound kernel's best config for its arguments."""

    def __init__(
        self,
        bound: SpecializedKernel,
        args: tuple[object, ...],
        settings: Settings,
        strategy: Strategy,
        effort: Effort,
        reporter: Reporter,
    ) -> None:
        self._bound, self._settings, self._strategy, self._effort = bound, settings, strategy, effort
        self._reporter = reporter
        self._start = time.monotonic()
        tolerance = Tolerance(settings.autotune_baseline_atol, settings.autotune_baseline_rtol)
        self._baseline = Baseline(args, tolerance, settings.autotune_baseline_accuracy_check_fn)
        self._gpu: GPU | None = bound.backend.device_gpu(bound.device)
        self._measure: Measure = self._make_measure()
        self._tiles = TileSizes()
        self._workers: Workers | None = None
        self._pending: dict[Future[Resources], _Candidate] = {}
        self._sources: set[str] = set()
        self._history: list[Trial] = []
        self._counts: Counter[Status] = Counter()
        self._first_measured: dict[Config, float] = {}
        self._best: tuple[float, _Candidate] | None = None
        self._measured: list[tuple[float, _Candidate]] = []
        self._generation = 0

    def _make_measure(self) -> Measure:
        if self._settings.autotune_benchmark_fn is not None:
            return GivenMeasure(self._settings.autotune_benchmark_fn)
        return DeviceMeasure(self._bound.device)

    # The loop --------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Search until the strategy, the effort or the budget ends; Ctrl-C ends it with the best so far.

        Raises AutotuneError if the default config does not work, NoConfigFound if no config works.
        """
        interrupted = False
        final: tuple[float, _Candidate] | None = None
        try:
            if self._gpu is not None:
                jobs = self._settings.autotune_precompile_jobs or default_jobs()
                backend = self._bound.backend
                self._workers = Workers(jobs, self._settings.autotune_compile_timeout, backend.worker)
            self._record_baseline()
            self._generations()
            self._stop_workers()
            final = self._finals()
        except KeyboardInterrupt:
            if self._best is None:
                raise
            interrupted = True
        finally:
            with contextlib.suppress(KeyboardInterrupt):  # impatience: they end with this process, if not now
                self._stop_workers()
        winner = final or self._best
        if winner is None:
            reasons = "; ".join(dict.fromkeys(trial.reason[:200] for trial in self._history if trial.reason))
            raise exc.NoConfigFound(f"{self._bound.name}: none of {len(self._history)} configs works: {reasons[:1000]}")
        return self._outcome(*winner, interrupted)

    def _outcome(self, milliseconds: float, winner: _Candidate, interrupted: bool) -> Outcome:
        counts = self._counts
        return Outcome(
            winner.config, milliseconds, counts.total() - counts["duplicate"], counts["failed"], counts["wrong"],
            counts["pruned"], self._generation, time.monotonic() - self._start, self._first_measured[winner.config],
            interrupted, tuple(self._history),
        )  # fmt: skip

    def _generations(self) -> None:
        rng = Random(self._settings.autotune_random_seed)
        most = self._settings.autotune_max_generations
        last = self._effort.generations if most is None else most
        stalled = 0
        for self._generation in range(last + 1):
            before = self._best_time()
            count = self._effort.candidates if self._generation else self._effort.population
            proposals = self._strategy.propose(self._history, rng, count)
            self._try(proposals)
            if not proposals or self._over():
                break
            self._reporter.generation(self._generation, self._counts, self._best_time())
            best = self._best_time()
            gained = best is None or before is None or best < before * (1 - MINIMAL_GAIN)
            stalled = 0 if gained else stalled + 1
            if stalled >= self._effort.patience:
                break
        self._drain(0)

    def _try(self, proposals: list[Config]) -> None:
        """Begin to try all; done with them, but for what fewer than half of the workers are still at."""
        for config in proposals:
            if self._over():
                return
            self._begin(config)
            self._drain(len(self._pending), wait_for_it=False)
        jobs = self._settings.autotune_precompile_jobs or default_jobs()
        self._drain(jobs // 2)

    def _over(self) -> bool:
        """Whether the budget is spent; one candidate is tried in any case."""
        return bool(self._history) and self._seconds_left() <= 0

    def _seconds_left(self) -> float:
        budget = self._settings.autotune_budget_seconds
        if budget is None:
            return float("inf")
        return self._start + budget * (1 - RESERVE_SHARE) - time.monotonic()

    # One candidate ---------------------------------------------------------------------------------------------

    def _begin(self, proposed: Config) -> None:
        """Lower a candidate; have it compiled, or measure it where nothing needs compiling."""
        try:
            candidate, source = self._prepare(proposed)
            if source in self._sources:
                self._tell(proposed, "duplicate")
                return
            self._sources.add(source)
            launch = None
            if self._gpu is not None:
                self._tiles.rule_out(self._bound.lower(candidate.config), self._gpu)
                launch = self._bound.backend.capture(source, self._bound.name, candidate.run, self._baseline.args)
        except PrunedError as error:
            self._tell(proposed, "pruned", reason=str(error))
        except Exception as error:
            self._tell(proposed, "failed", reason=_describe(error))
        else:
            if launch is None or self._workers is None:
                self._finish(candidate)
            else:
                self._pending[self._workers.submit(self._bound.backend.precompile, launch, self._gpu)] = candidate

    def _prepare(self, proposed: Config) -> tuple[_Candidate, str]:
        overrides = self._settings.autotune_config_overrides
        config = proposed if not overrides else self._bound.config_spec.normalize({**proposed, **overrides})
        if (wanted := self._settings.autotune_config_filter) is not None:
            kept = wanted(config)
            if not kept:
                raise PrunedError("autotune_config_filter does not want it")
            config = self._bound.config_spec.normalize(kept) if isinstance(kept, Config) else config
        lowered = self._bound.lower(config)
        run = self._bound.runner(config)
        given = self._settings.autotune_benchmark_fn is not None
        timed = self._bound.kernel.compile(config, self._baseline.args) if given else run
        return _Candidate(proposed, config, run, timed), lowered.source

    def _drain(self, until: int, wait_for_it: bool = True) -> None:
        """Measure what is compiled; with `wait_for_it`, until no more than `until` are being compiled."""
        while self._pending and (len(self._pending) > until or not wait_for_it):
            if self._over():
                return
            left = max(self._seconds_left(), 0) if self._history else 1e6
            done, _ = wait(self._pending, timeout=min(left, 1e6) if wait_for_it else 0, return_when=FIRST_COMPLETED)
            if not done:
                return
            for future in done:
                if future in self._pending:  # else it was taken back with the workers
                    self._compiled(future, self._pending.pop(future))
                if self._over():
                    return

    def _compiled(self, future: Future[Resources], candidate: _Candidate) -> None:
        assert self._gpu is not None
        try:
            rule_out(future.result(), self._gpu)
        except PrunedError as error:
            self._tell(candidate.proposed, "pruned", reason=str(error))
        except NoWorkersError as error:
            self._go_on_without_workers(error, candidate)
        except TaskFailedError as error:
            self._tell(candidate.proposed, "failed", reason=f"compiling: {error}")
        except Exception as error:  # an answer, but none about resources
            self._tell(candidate.proposed, "failed", reason=f"compiling: {_describe(error)}")
        else:
            self._finish(candidate)

    def _go_on_without_workers(self, error: NoWorkersError, candidate: _Candidate) -> None:
        """Compile here what is to be compiled, from `candidate` on: by the launch that measures it."""
        exc.warn(
            exc.WorkersNotAvailable(f"{self._bound.name}: candidates are compiled one by one: {error}"),
            self._settings.ignore_warnings,
        )
        waiting = [candidate, *self._pending.values()]
        self._stop_workers()
        for each in waiting:
            if self._over():
                return
            self._finish(each)

    def _finish(self, candidate: _Candidate) -> None:
        """Check and measure a candidate."""
        try:
            if self._settings.autotune_accuracy_check:
                self._baseline.check(candidate.run)
            milliseconds = self._measure(candidate.timed, self._baseline.args, self._best_time())
        except WrongResultError as error:
            self._tell(candidate.proposed, "wrong", reason=str(error))
        except Exception as error:
            self._tell(candidate.proposed, "failed", reason=_describe(error))
            self._check_device(error)
        else:
            self._first_measured[candidate.config] = time.monotonic() - self._start
            self._measured.append((milliseconds, candidate))
            if self._best is None or milliseconds < self._best[0]:
                self._best = milliseconds, candidate
            self._tell(candidate.proposed, "ok", milliseconds)

    def _tell(self, config: Config, status: Status, milliseconds: float | None = None, reason: str = "") -> None:
        trial = Trial(config, status, milliseconds, reason)
        self._history.append(trial)
        self._counts[status] += 1
        self._reporter.trial(trial)
        self._reporter.status(self._generation, self._counts, self._best_time())

    @property
    def best(self) -> Config | None:
        """The best config so far."""
        return self._best[1].config if self._best is not None else None

    def _best_time(self) -> float | None:
        return self._best[0] if self._best is not None else None

    # Beginning and end -----------------------------------------------------------------------------------------

    def _record_baseline(self) -> None:
        if not self._settings.autotune_accuracy_check:
            return
        default = self._bound.config_spec.default_config()
        try:
            self._baseline.record(self._settings.autotune_baseline_fn or self._bound.runner(default))
        except Exception as error:
            self._check_device(error)
            raise exc.AutotuneError(
                f"{self._bound.name}: results cannot be checked, because the baseline fails: {_describe(error)}; give "
                "autotune_baseline_fn, or autotune_accuracy_check=False"
            ) from error

    def _check_device(self, error: Exception) -> None:
        """Raise TritonUnrecoverableRuntimeError if the failure broke the device for this process."""
        if self._gpu is None:
            return
        try:
            torch.cuda.synchronize()
        except RuntimeError:
            raise exc.TritonUnrecoverableRuntimeError(
                f"{self._bound.name}: a candidate left the device unusable for this process: {_describe(error)}"
            ) from error

    def _finals(self) -> tuple[float, _Candidate] | None:
        """The winner among the leaders, measured again in turns: of those that are equally quick, the one that is
        nearest to the default config."""
        if self._best is None:
            return None
        leaders = sorted(self._measured, key=lambda pair: pair[0])[: self._effort.finalists]
        leaders = [pair for pair in leaders if pair[0] <= CLOSE * self._best[0]]
        if len(leaders) == 1:
            return self._best
        times = in_turns(self._measure, [(each.timed, self._baseline.args) for _, each in leaders], FINAL_ROUNDS)
        again: list[tuple[float, _Candidate]] = []
        for time_, (_, leader) in zip(times, leaders, strict=True):
            if isinstance(time_, Exception):
                self._drop(leader, time_)
            else:
                again.append((time_, leader))
        if not again:
            return self._best
        quick = min(again, key=lambda pair: pair[0])[0] * (1 + MINIMAL_GAIN)
        equal = [pair for pair in again if pair[0] <= quick]
        return min(equal, key=lambda pair: (len(pair[1].config.minimize(self._bound.config_spec)), pair[0]))

    def _drop(self, leader: _Candidate, error: Exception) -> None:
        """A measured candidate fails when it is measured again. The last one stays: it is all that was found."""
        rest = [pair for pair in self._measured if pair[1] is not leader]
        if rest:
            self._measured, self._best = rest, min(rest, key=lambda pair: pair[0])
        at = next(at for at, trial in enumerate(self._history) if trial.config == leader.proposed)
        self._history[at] = trial = Trial(leader.proposed, "failed", reason=f"measured again: {_describe(error)}")
        self._counts.update({"ok": -1, "failed": 1})
        self._reporter.trial(trial)
        self._check_device(error)

    def _stop_workers(self) -> None:
        if self._workers is not None:
            self._workers.close()
        self._workers = None
        self._pending.clear()


def _describe(error: BaseException) -> str:
    """An error in one line: class, message, and the message of what caused it."""
    text: list[str] = []
    current: Any = error
    while current is not None and len(text) < 3:
        text.append(f"{type(current).__name__}: {' '.join(str(current).split())}")
        current = current.__cause__
    return " ← ".join(text)


__all__ = ["Outcome", "Search"]
