"""The injector that exact campaigns are compared with does inject."""

from __future__ import annotations

import pytest

from hil.perf.gdb_injector import gdb_injector, why_no_gdb
from hil.upsets.words import NodeEffect

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_no_gdb()), reason=why_no_gdb())]


def test_it_judges_what_must_come_of_a_hit() -> None:
    """A hash shows every bit of its chain; no step relies on what it finds in its heap."""
    with gdb_injector("sha256", 1, 3) as injector:
        shown = {injector.inject(1, "state", byte, 3) for byte in (0, 9, 31)}
        assert NodeEffect.MASKED not in shown
        assert injector.inject(1, "scratch", 0, 3) is NodeEffect.MASKED
