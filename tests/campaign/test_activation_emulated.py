"""On aarch64: what an emulated board's debug registers report is what the def-use analysis says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hil.wire.messages import Activation

from ..emulated import Pool, possible
from .first_access import agreement

pytestmark = [pytest.mark.slow, pytest.mark.emulated, pytest.mark.usefixtures("possible")]
__all__ = ["possible"]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def test_debug_registers_of_an_emulated_board_and_def_use_analysis_agree(pool: Pool) -> None:
    outcomes = agreement(pool.board("a"), "attitude", 48, 5)
    assert outcomes.total() == 48
    assert min(outcomes[a] for a in Activation if a) >= 3
