"""Two mechanisms that know nothing of each other agree on what a worker does first with a byte: the
debug registers of a process board, and the def-use analysis of the exact campaign, which computes
it from the trace of the step and capstone's tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.rig.backends.process import ProcessBoard
from hil.wire.messages import Activation

from .first_access import Bench, agreement, random_hits

pytest.importorskip("capstone")
pytestmark = pytest.mark.ptrace


@pytest.mark.slow
def test_debug_registers_and_def_use_analysis_agree() -> None:
    outcomes = agreement(ProcessBoard("a"), "attitude", 36, 1)
    assert outcomes.total() == 36
    assert min(outcomes[a] for a in Activation if a) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"), [("attitude", 300), ("sha256", 150), ("archive", 150), ("matmul", 60)]
)
def test_debug_registers_and_def_use_analysis_agree_on_many_hits(name: str, count: int) -> None:
    outcomes = agreement(ProcessBoard("a"), name, count, 2)
    assert outcomes.total() == count
    assert min(outcomes[a] for a in Activation if a) >= 3


def test_the_same_upset_has_the_same_activation_again() -> None:
    bench = Bench(ProcessBoard("a"), "attitude")
    try:
        hits = [arm for arm, _ in random_hits(bench, 12, 3)]
        first, again = ([bench.hit(arm) for arm in hits] for _ in range(2))
        assert [replace(h[0], at_us=0) for h in first] == [replace(h[0], at_us=0) for h in again]
        assert [h[1:] for h in first] == [h[1:] for h in again]
    finally:
        bench.rig.close()
