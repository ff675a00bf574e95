"""The ending: what a run came to, as its result, its manifest and its JUnit report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hil import run_folder
from hil.control.protocol import COMMANDS
from hil.engine.chronicle import Chronicle
from hil.engine.parts import Parts
from hil.metrics import flat, upset_counts
from hil.record.writer import Writer
from hil.recovery import NodeState
from hil.result import RunResult
from hil.rig.rig import Calibration
from hil.voter import VerdictKind

if TYPE_CHECKING:
    from hil.steward import Steward

__all__ = ["close_books", "not_reproducible", "result_of", "write_result"]


def close_books(parts: Parts, chronicle: Chronicle) -> None:
    """No frame follows: upsets that are still open get the outcome that they have now."""
    last = parts.golden.next_frame - 1
    for upset in parts.delivery.uncollected:
        if upset.verified:  # a latch-up that nobody ended
            upset.state, upset.outcome = "injected", "degraded"
        else:
            upset.state = "failed"
            upset.detail = "the run ended before the board reported"
        parts.classifier.injected(upset)
    for node in parts.nodes:
        parts.classifier.settle(last, node.name, at_end=True)
    chronicle.outcomes()
    chronicle.transitions()
    parts.metrics.held_back = parts.injector.held_back
    parts.metrics.isolated = len(parts.recovery.in_state(NodeState.ISOLATED))


def result_of(
    parts: Parts,
    writer: Writer,
    run_dir: Path,
    calibration: Calibration,
    steward: Steward | None,
    aborted_by: str,
) -> RunResult:
    """What the run came to; `aborted_by` is empty if it went to its end."""
    scenario, metrics = parts.scenario, parts.metrics
    upsets = upset_counts(writer.upset_kinds())
    measured = flat(metrics, upsets)
    end = parts.golden.next_frame
    plant = None if steward is None else steward.measured(end, parts.t_us(end))
    measured |= {f"plant.{name}": value for name, value in (plant or {}).items()}
    expectations = tuple(e.evaluate(measured) for e in scenario.expectations)
    passed = metrics.frames > 0 and all(e.ok for e in expectations)
    return RunResult(
        outcome="aborted" if aborted_by else "pass" if passed else "fail",
        run_dir=run_dir,
        run_digest=writer.run_digest(),
        not_reproducible=not_reproducible(parts, writer, steward),
        skipped=metrics.skipped,
        plant=plant,
        seed=scenario.seed,
        frames=metrics.frames,
        verdicts={k.name.lower(): metrics.verdicts[k] for k in VerdictKind},
        upsets=upsets,
        recoveries=metrics.recoveries,
        availability=metrics.availability,
        slips=metrics.slips,
        expectations=expectations,
        metrics=measured,
        unexplained=metrics.unexplained,
        held_back=metrics.held_back,
        calibration=calibration,
        accel=scenario.upsets.accel,
        commands=writer.commands_but(()),
        aborted_by=aborted_by,
    )


def write_result(result: RunResult, parts: Parts, chronicle: Chronicle) -> None:
    """Into the record and beside it."""
    chronicle.writer.meta("result", result.as_json())
    chronicle.writer.meta("outcome", result.outcome)
    chronicle.writer.commit()
    run_folder.write_manifest(parts.scenario, result, chronicle.identities())
    run_folder.write_junit(parts.scenario, result)


def not_reproducible(parts: Parts, writer: Writer, steward: Steward | None) -> str:
    """Why equal seeds need not give equal digests: because somebody steered, or real time decided
    what was hit or missed. Empty if they do."""
    count = writer.commands_but([c.name for c in COMMANDS.values() if not c.steers])
    if count:
        return f"an operator steered it ({count} command{'s'[: count > 1]})"
    if parts.deadlines:
        return "a paced run depends on real time (--pace free does not)"
    if any(
        getattr(node.board, "can_return", False)
        for node in parts.nodes
        if node.board.kind == "emulated"
    ):
        return "what an operating system does next depends on real time"
    if not parts.virtual and any(e.us is not None for e in parts.scenario.upsets.events):
        return "upsets with `us:` hit by real time (`tick:` does not)"
    if steward is not None and steward.reported:
        return "the plant follows what boards measure (`feedback: model` does not)"
    return ""
