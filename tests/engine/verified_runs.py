"""Runs of a scenario, and what their records say."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.voting import Verdict, unpack_all
from hil.scenario import Scenario
from hil.verification.replay import verify


def run(s: Scenario, out: Path, **how: Any) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out, **how).run()


def differences(out: Path) -> list[str]:
    """What `hil replay --verify` finds in the record of a run."""
    with closing(Reader(out)) as reader:
        return [str(difference) for difference in verify(reader).differences]


def verdicts(out: Path) -> list[Verdict]:
    with closing(Reader(out)) as reader:
        nodes = len(reader.node_names)
        return [v for *_, data in reader.blocks() for v in unpack_all(data, nodes)]
