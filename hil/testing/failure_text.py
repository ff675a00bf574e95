"""The text below a failure: what has happened, the recording, and how to repeat the test."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from hil.testing.occurrences import Occurrence, OccurrenceKind

__all__ = ["failure_text", "reproduce_line"]

_LAST: Final = 12
_OPTIONS: Final = ("-c", "--rootdir", "--hil-bench", "--hil-boards")
"""Those that decide what a test runs: the first two name the configuration, with its
`hil_scenario`."""


def reproduce_line(item: pytest.Item, seed: int | None) -> str:
    """Return the command that runs a test again, with the same seed and the same kind of boards.
    It is given in the folder in which pytest was started."""
    file = os.path.relpath(item.path, item.config.invocation_params.dir)
    _, colons, test = item.nodeid.partition("::")
    words = ["pytest", f"{file}{colons}{test}"]
    for option in _OPTIONS:
        if value := item.config.getoption(option):
            words += [option, str(value)]
    if seed is not None:
        words += ["--hil-seed", str(seed)]
    return shlex.join(words)


def failure_text(folder: Path, frame: int, remarkable: Sequence[Occurrence], reproduce: str) -> str:
    """Return what is printed below the failure of a test that used a rig."""
    lines = [f"frames run   {frame:,}"]
    if remarkable:
        events = list(_events(remarkable))
        lines.append(f"what happened (the last {min(_LAST, len(events))} events):")
        lines += [f"  {event}" for event in events[-_LAST:]]
    elif frame:
        lines.append("what happened: no upset, every frame plainly agreed")
    lines += [
        f"recording    {folder}",
        f"look at it   {shlex.join(['hil', 'replay', str(folder)])}",
        f"reproduce    {reproduce}",
    ]
    return "\n".join(lines)


def _events(seen: Sequence[Occurrence]) -> Iterator[str]:
    """Yield a line for each occurrence, and one for consecutive frames with the same verdict."""
    first = 0
    for end in range(1, len(seen) + 1):
        if end < len(seen) and _goes_on(seen[end - 1], seen[end]):
            continue
        span = seen[first:end]
        alone = len(span) == 1
        yield (
            str(span[0]) if alone else f"frames {span[0].frame} to {span[-1].frame}: {span[0].text}"
        )
        first = end


def _goes_on(before: Occurrence, after: Occurrence) -> bool:
    verdicts = before.kind is after.kind is OccurrenceKind.VERDICT
    return verdicts and before.text == after.text and before.frame + 1 == after.frame
