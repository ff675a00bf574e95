"""What the command under way has found out, for the answer when it fails."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.errors import HilError

if TYPE_CHECKING:
    from hil.scenario import Scenario

__all__ = ["RUN_KEYS", "Session", "recorded", "session"]

RUN_KEYS: Final = (
    "outcome",
    "exit_code",
    "name",
    "run_dir",
    "run_digest",
    "reproducible",
    "seed",
    "frames",
    "planned_frames",
    "wall_s",
    "verdicts",
    "upsets",
    "recoveries",
    "availability",
    "slips",
    "unexplained",
    "held_back",
    "accel",
    "expectations",
    "not_covered",
    "left_out",
    "metrics",
    "lost_boards",
    "not_reproducible",
    "skipped",
    "plant",
    "commands",
    "aborted_by",
    "held_frames",
    "campaign_mode",
)
"""Keys that the JSON of `hil run` always has; null where nothing is known."""


@dataclass(slots=True)
class Session:
    """What the command under way has found out, for the answer when it fails.

    `reports`: the folder whose reports are this command's to write; None if it has none, or if
    they say already how the run ended."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    json: bool = False
    run_dir: Path | None = None
    reports: Path | None = None
    known: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)

    def begin(self, words: Sequence[str]) -> None:
        """A new command line."""
        self.command, self.words, self.json = "", list(words), "--json" in words
        self.run_dir, self.known, self.identity = None, {}, {}
        self.reports = None

    def plan(self, scenario: Scenario) -> None:
        """This will be run."""
        from hil.engine import run_folder

        self.identity = run_folder.identity(scenario)
        self.known.update(
            name=scenario.name,
            seed=scenario.seed,
            accel=scenario.upsets.accel,
            planned_frames=scenario.frame_count,
        )

    @property
    def out(self) -> Path | None:
        """The folder that `--out` names, also on a command line that is wrong otherwise."""
        for word, following in zip(self.words, [*self.words[1:], ""], strict=True):
            if word == "--out" and following:
                return Path(following)
            if word.startswith("--out="):
                return Path(word.removeprefix("--out="))
        return None


session = Session()


def recorded(run_dir: Path | None) -> dict[str, Any]:
    """What the record of a run that failed tells; nothing if there is none that can be read."""
    if run_dir is None or not (run_dir / "run.db").is_file():
        return {}
    from hil.record.reader import Reader
    from hil.verification.replay import result_of

    try:
        reader = Reader(run_dir)
        try:
            found = result_of(reader)
        finally:
            reader.close()
    except HilError:
        return {}
    return {key: value for key, value in found.items() if key in RUN_KEYS}
