"""The judgement of a run at its end: by what a test expects, and by what its recording says.

A test never passes with a recording that says `fail` or `error`, unless it names that outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hil.api import ExpectationResult, Run, RunResult

__all__ = ["RUN_OUTCOMES", "shortcomings"]

RUN_OUTCOMES: Final = ("pass", "untested", "fail", "error", "aborted")
"""The words of `hil.api.Run.outcome` at the end of a run."""

_GOOD: Final = frozenset({"pass", "untested"})
_FRAMES: Final = ("frames whose wrong output left the system", "sdc_upsets", "the upsets")
_UPSETS: Final = ("upsets", "sdc_frames", "the frames whose wrong output left the system")
_COUNTED: Final = {
    "sdc_frames": _FRAMES,
    "sdc_escaped": _FRAMES,
    "sdc_upsets": _UPSETS,
    "by_system_outcome.sdc_escaped": _UPSETS,
}
"""What each metric of escaped errors counts, and the metric that counts the other: one word stands
for both."""


def shortcomings(
    run: Run, result: RunResult, own: Sequence[ExpectationResult], outcome: str | None
) -> str:
    """Return what is wrong with a run that has ended, for people; empty if nothing is.

    `own` are the results of what the test expects itself. `outcome` is the one that the test names;
    with None, the run must pass by the expectations of its scenario too. Raises: RecordError if the
    record cannot be read."""
    failed = [e for e in own if not e.ok]
    lines = [line for e in failed for line in _lines(run, result, e, "")]
    if result.outcome not in (_GOOD if outcome is None else {outcome}):
        known = {(e.metric, e.wanted) for e in failed}
        more = [e for e in result.failed if (e.metric, e.wanted) not in known]
        if outcome is None or outcome in _GOOD:
            for e in more:
                by = " by default" if e.default else f" by the scenario {result.name}"
                lines += _lines(run, result, e, by)
        lines += _of_outcome(result, outcome)
    return "\n".join(lines)


def _lines(run: Run, result: RunResult, e: ExpectationResult, by: str) -> Iterator[str]:
    measured = "not measured" if e.measured is None else f"measured {e.measured:.12g}"
    yield f"{e.metric}: {measured}, expected {e.wanted}{by}"
    if e.metric in _COUNTED:
        what, other, of_other = _COUNTED[e.metric]
        yield f"    it counts {what}; `{other}` counts {of_other}: {result.metrics[other]:g}"
    if trouble := run.first_trouble(e.metric):
        yield f"    first in frame {trouble.frame}: {trouble.text}"


def _of_outcome(result: RunResult, outcome: str | None) -> Iterator[str]:
    expected = "pass" if outcome is None else outcome
    why = f": {result.error}" if result.error else ""
    yield f"the run is recorded as `{result.outcome}`{why}, expected `{expected}`"
    if outcome is None:
        yield f'    a test that wants such a run names its outcome: outcome="{result.outcome}"'
