"""How much of a long list of cases runs where: by default, with `-m slow` as in CI, or with
`-m stress`, which takes hours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["mostly_slow", "mostly_stress", "without_variants"]

_VARIANTS = ("dense-", "train+")

_ParameterSet = type(pytest.param())


def without_variants(names: Iterable[str]) -> list[str]:
    """The names of workloads, without those that are variants of one source, but for one: they are
    the same code with other constants, and tests/kernel has all of them."""
    return [name for name in names if name == "dense-bf16+parity" or not name.startswith(_VARIANTS)]


def mostly_slow(cases: Iterable[Any], *, keep: int) -> list[Any]:
    """The cases of a `parametrize`, all but the first `keep` marked `slow`."""
    return [
        case if index < keep else _marked(case, pytest.mark.slow)
        for index, case in enumerate(cases)
    ]


def mostly_stress(cases: Iterable[Any], *, keep: int, timeout_s: int) -> list[Any]:
    """The cases of a `parametrize`, the first `keep` marked `slow`, all others `stress`."""
    limit = pytest.mark.timeout(timeout_s)
    return [
        _marked(case, pytest.mark.slow if index < keep else pytest.mark.stress, limit)
        for index, case in enumerate(cases)
    ]


def _marked(case: Any, *marks: pytest.MarkDecorator) -> Any:
    if isinstance(case, _ParameterSet):
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, *marks])
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks)
