"""The state of the current command, for its reports if it fails."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.engine.run_identity import RunIdentity
    from hil.scenario import Scenario

__all__ = ["Session", "session"]


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
