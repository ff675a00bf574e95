"""How much of a long list of cases runs by default: the rest is slow, and CI runs that, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["mostly_slow"]


def mostly_slow(cases: Iterable[Any], *, keep: int) -> list[Any]:
    """The cases of a `parametrize`, all but the first `keep` marked `slow`."""
    return [
        case
        if index < keep
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for index, case in enumerate(cases)
    ]
