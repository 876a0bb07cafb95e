"""The table of faults fits the code, and a fault is noticed; `make seeded` puts all of them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fuzz.seeded_faults import FAULTS, ROOT, Copy, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_the_place_of_a_fault_is_there(fault: Fault) -> None:
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1
    file, _, function = fault.test.partition("::")
    assert function.split("[")[0] in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_every_contract_has_a_fault() -> None:
    assert {fault.contract for fault in FAULTS} == set(range(1, 14))


def test_a_fault_is_noticed_and_nothing_else_is(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    fault = next(each for each in FAULTS if each.contract == 1 and "maximum" in each.what)
    assert copy.first_failure(fault.test) is None
    with copy.broken(fault):
        assert copy.first_failure(fault.test) is not None
