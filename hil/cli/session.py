"""The state of the current command, for its reports if it fails."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.engine.run_identity import RunIdentity
    from hil.record.run_result import RunResult
    from hil.scenario import Scenario

__all__ = ["Session", "has_ended", "recorded", "session"]


@dataclass(slots=True)
class Session:
    """The state of the current command, for its reports if it fails.

    `identity`: the run that was planned; None if unknown. `frames`: the number of its frames that
    have been computed, None if only its record has it. `reports`: the folder whose reports this
    command writes; None if there is none, or if they already have the end of the run."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    json: bool = False
    run_dir: Path | None = None
    reports: Path | None = None
    identity: RunIdentity | None = None
    frames: int | None = None

    def begin(self, words: Sequence[str]) -> None:
        """Begin a new command line."""
        self.command, self.words, self.json = "", list(words), "--json" in words
        self.run_dir = self.identity = self.frames = self.reports = None

    def plan(self, scenario: Scenario, *, frames: int | None) -> None:
        """Note the scenario that is run; `frames` of it have been computed, None if only its record
        has the number."""
        from hil.engine import run_folder

        self.identity, self.frames = run_folder.identity(scenario), frames

    @property
    def out(self) -> Path | None:
        """Return the folder that `--out` names, even on an invalid command line; None without
        it."""
        for word, following in zip(self.words, [*self.words[1:], ""], strict=True):
            if word in {"-o", "--out"} and following:
                return Path(following)
            if word.startswith("--out="):
                return Path(word.removeprefix("--out="))
            if word.startswith("-o") and word != "-o":
                return Path(word[2:])
        return None


session = Session()


def recorded(run_dir: Path | None) -> RunResult | None:
    """Return the recorded result of a run that failed; None without a readable record."""
    return _read(run_dir)[0]


def has_ended(run_dir: Path) -> bool:
    """Return whether a run's record has its end: what fails after that changes nothing in it, nor
    in its reports, which were written before it was closed."""
    return _read(run_dir)[1]


def _read(run_dir: Path | None) -> tuple[RunResult | None, bool]:
    if run_dir is None or not (run_dir / "run.db").is_file():
        return None, False
    from hil.record.reader import Reader
    from hil.verification.recorded_run import result_of

    try:
        reader = Reader(run_dir)
        try:
            return result_of(reader), reader.is_complete
        finally:
            reader.close()
    except HilError:
        return None, False
