"""`hil campaign --scheme-proof`: what a redundancy scheme makes of every single upset."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.output import answer, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.campaign.scheme_proof import NodeFaults, ProofOrder
    from hil.record.scheme_proof import RunCheck, SchemeProof
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["ProofChoice", "prove", "show_proof"]

_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ProofChoice:
    """The options of a proof; `confirmed`: by so many full runs; `path`: its file, None for one of
    its own name."""

    scenario: Scenario
    targets: tuple[UpsetTarget, ...]
    frame: int
    workers: int
    confirmed: int
    path: Path | None


def prove(choice: ProofChoice, *, as_json: bool) -> int:
    """Prove a scheme, confirm it, write its file and print it; return the exit code: 1 if an upset
    escapes, or may."""
    from hil.campaign.proof_result import write_proof_result
    from hil.campaign.scheme_proof import ProofOrder, prove_scheme

    scenario = choice.scenario
    result = choice.path or Path(f"{scenario.name}-{scenario.rig.scheme.value}.proof")
    if result.exists():
        raise UsageError(
            f"{result} exists already", remedy="name another file with --out, or delete it"
        )
    what = (scenario, choice.frame, choice.targets, choice.workers)
    order = ProofOrder(*what, result=result)
    try:
        proof, found = prove_scheme(order, _Reporter().report, say)
        if choice.confirmed:
            proof = replace(proof, runs=_confirm(order, proof, found, choice.confirmed))
    except KeyboardInterrupt:
        say("stopped: the same command continues this proof")
        raise
    write_proof_result(result, proof, found)
    show_proof(result, as_json=as_json)
    if not as_json:
        say(f"written: {result}")
    return Exit.PASS if proof.holds else Exit.FAIL


def show_proof(path: Path, *, as_json: bool) -> None:
    """Print the proof that is in a file, or its JSON. Raises: RecordError."""
    from hil.record.proof_file import read_proof
    from hil.views.scheme_proof import proof_table

    proof = read_proof(path)
    if as_json:
        answer({"result": str(path), **proof.as_json()})
    else:
        show(lambda glyphs: proof_table(proof, glyphs))


def _confirm(
    order: ProofOrder, proof: SchemeProof, found: list[NodeFaults], count: int
) -> RunCheck:
    from hil.campaign.scheme_runs import confirm, draw_faults
    from hil.record.scheme_proof import RunCheck

    say(f"{count} full runs")
    executions = order.scenario.rig.scheme.executions
    faults = draw_faults(found, count, proof.seed, executions)
    ends = confirm(order.scenario, order.frame, faults, _Reporter().report)
    differences = tuple(end.difference for end in ends if not end.agrees)
    return RunCheck(len(ends), differences, sum(end.escapes for end in ends))


class _Reporter:
    """Prints the progress every few seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY_S

    def report(self, done: int, total: int) -> None:
        """Take the progress; print it if that is due."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            say(f"{done / total:4.0%}")
