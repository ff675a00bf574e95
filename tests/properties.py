"""Tests of properties with hypothesis: a few examples by default, many with `-m slow` as in CI.

The examples are the same in every run, and no file of them is left beside the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

__all__ = ["few_or_many", "property_of", "run_state_machine"]

_SAME_EVERYWHERE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # of a computer that does something else as well
)


def property_of(
    *strategies: SearchStrategy[Any], quick: int = 60, slow: int = 500
) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Make a test of a function that must hold for all values of `strategies`: it is tried with
    `quick` examples by default, and with `slow` ones by `-m slow`."""

    def decorate(check: Callable[..., None]) -> Callable[[int], None]:
        @few_or_many(quick, slow)
        def test(examples: int) -> None:
            limits = settings(_SAME_EVERYWHERE, max_examples=examples)
            run: Any = limits(given(*strategies)(check))
            run()

        test.__name__, test.__doc__, test.__module__ = (
            check.__name__,
            check.__doc__,
            check.__module__,
        )
        return test

    return decorate


def run_state_machine(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run up to `steps` rules of a state machine, `examples` times."""
    limits = settings(_SAME_EVERYWHERE, max_examples=examples, stateful_step_count=steps)
    run_state_machine_as_test(machine, settings=limits)


def few_or_many(quick: int, slow: int) -> pytest.MarkDecorator:
    """Give a test its number of `examples`: `quick` by default, `slow` with `-m slow`."""
    return pytest.mark.parametrize(
        "examples",
        [
            pytest.param(quick, id="few"),
            pytest.param(slow, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
        ],
    )
