"""What the command under way has found out, for the answer when it fails."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hil.errors import HilError

__all__ = ["RUN_KEYS", "Session", "recorded", "session"]

RUN_KEYS: Final = (
    "outcome", "run_dir", "run_digest", "reproducible", "seed", "frames", "verdicts", "upsets",
    "recoveries", "availability", "slips", "unexplained", "held_back", "accel", "expectations",
    "not_reproducible", "skipped", "plant", "commands", "aborted_by",
)  # fmt: skip
"""Keys that the JSON of `hil run` always has; null where nothing is known."""


@dataclass(slots=True)
class Session:
    """What the command under way has found out, for the answer when it fails."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    json: bool = False
    run_dir: Path | None = None
    known: dict[str, Any] = field(default_factory=dict)

    def begin(self, words: Sequence[str]) -> None:
        """A new command line."""
        self.command, self.words, self.json = "", list(words), "--json" in words
        self.run_dir, self.known = None, {}


session = Session()


def recorded(run_dir: Path | None) -> dict[str, Any]:
    """What the record of a run that failed tells; nothing if there is none that can be read."""
    if run_dir is None or not (run_dir / "run.db").is_file():
        return {}
    from hil.record.reader import Reader
    from hil.replay import result_of

    try:
        reader = Reader(run_dir)
        try:
            found = result_of(reader)
        finally:
            reader.close()
    except HilError:
        return {}
    return {key: value for key, value in found.items() if key in RUN_KEYS}
