"""Self-tests with known faults: each must be detected as what it is, and nothing else reported."""

# ruff: noqa: PLC0415  (imports in functions: a failed import is a finding as well)

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.check_state import CheckState
from hil.doctor.findings import Finding, good
from hil.scenario.words import UpsetTarget
from hil.upsets.words import SystemOutcome
from hil.wire.messages import UpsetState

if TYPE_CHECKING:
    from hil.record.reader import Reader

__all__ = ["faults_on_inproc_boards", "faults_on_process_boards", "no_faults"]

_CONTROL: Final = """
schema: 1
workload: infer
frames: 60
rig: {{scheme: tmr, board: {board}}}
timeouts: {{cpu_floor_ms: 20}}
upsets:
  events:
    - {{frame: 10, node: a, target: output, tick: {ticks}, bit: 3}}
    - {{frame: 20, node: b, target: cpu, sefi: crash, tick: 1}}
    - {{frame: 30, node: c, target: cpu, sefi: hang, tick: 1}}
"""
_QUIET: Final = """
schema: 1
workload: sha256
frames: 60
rig: {{scheme: tmr, board: {board}}}
"""
_EXPECTED: Final = {"output": "sdc", "cpu crash": "crash", "cpu hang": "hang"}


def faults_on_process_boards() -> Finding:
    """Check that known faults on process boards are detected as what they are."""
    return _faults("process")


def faults_on_inproc_boards() -> Finding:
    """Check that known faults on inproc boards are detected as what they are."""
    return _faults("inproc")


def _faults(board: str) -> Finding:
    """Inject a wrong output, a crash and a hang, and check their effects and outcomes."""
    from hil.kernel import workload
    from hil.record.record_tables import RecordTable
    from hil.record.row_counts import count_rows, wrong_outputs
    from hil.record.span_rows import all_upsets

    effects: dict[str, str] = {}
    with _controlled(_CONTROL, board, workload("infer").ticks) as reader:
        for upset in all_upsets(reader):
            name = f"cpu {upset.kind}" if upset.target == UpsetTarget.CPU else upset.target
            injected = upset.state == UpsetState.INJECTED and upset.verified
            effects[name] = upset.effect if injected else upset.state
            if injected and upset.outcome not in (SystemOutcome.CORRECTED, SystemOutcome.RECOVERED):
                effects[name] = f"{upset.effect}, but {upset.outcome or 'no outcome'}"
        unexplained = count_rows(reader, RecordTable.ANOMALIES)
        delivered = wrong_outputs(reader)
    wrong = [
        f"{name}: {effects.get(name, 'not seen')}, expected {effect}"
        for name, effect in _EXPECTED.items()
        if effects.get(name) != effect
    ]
    if unexplained:
        wrong.append(f"{unexplained} anomalies without a cause")
    if delivered:
        wrong.append(f"{delivered} wrong outputs delivered")
    if wrong:
        return Finding(CheckState.MISSING, "; ".join(wrong), "please report this")
    return good("a wrong output, a crash and a hang: detected, outvoted, repaired")


def no_faults() -> Finding:
    """Check that a run without faults reports none."""
    from hil.record.record_tables import RecordTable
    from hil.record.row_counts import count_rows, frames_without_unanimity

    tables = (
        RecordTable.UPSETS,
        RecordTable.ANOMALIES,
        RecordTable.TRANSITIONS,
        RecordTable.REPAIRS,
    )
    wrong: list[str] = []
    for board in ("process", "inproc"):
        with _controlled(_QUIET, board, 0) as reader:
            for table in tables:
                count = count_rows(reader, table)
                if count:
                    wrong.append(f"{count} {table} on {board} boards")
            if frames_without_unanimity(reader):
                wrong.append(f"frames without agreement on {board} boards")
    if wrong:
        remedy = "please report this: the rig itself is at fault"
        return Finding(CheckState.MISSING, "; ".join(wrong), remedy)
    return good("60 frames each on process and inproc boards, all unanimous")


@contextlib.contextmanager
def _controlled(text: str, board: str, ticks: int) -> Iterator[Reader]:
    """Run the scenario `text` on boards of a kind in a temporary folder, and open its record."""
    from hil.engine.loop import Loop
    from hil.record.reader import Reader
    from hil.scenario import parse_scenario

    scenario = parse_scenario(text.format(board=board, ticks=ticks), file="<hil doctor>")
    with tempfile.TemporaryDirectory(prefix="hil-doctor-") as folder:
        Loop(scenario, Path(folder)).run()
        reader = Reader(Path(folder))
        try:
            yield reader
        finally:
            reader.close()
