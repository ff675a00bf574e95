"""`hil campaign --scheme-proof`: what a redundancy scheme makes of every single upset."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hil.cli.campaign_exact import check_frame
from hil.cli.output import answer, say, show
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.campaign.scheme_proof import NodeFaults, ProofOrder
    from hil.record.scheme_proof import RunCheck, SchemeProof
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["prove"]

_EVERY_S: Final = 5.0


def prove(
    scenario: Scenario,
    targets: tuple[UpsetTarget, ...],
    frame: int,
    workers: int,
    confirmed: int,
    *,
    as_json: bool,
) -> int:
    """Prove a scheme, confirm it by so many full runs, and print it; return the exit code: 1 if an
    upset escapes, or may."""
    from hil.campaign.scheme_proof import ProofOrder, prove_scheme
    from hil.views.scheme_proof import proof_table

    check_frame(scenario, frame)
    order, reporter = ProofOrder(scenario, frame, targets, workers), _Reporter()
    proof, found = prove_scheme(order, reporter.report, say)
    if confirmed:
        proof = replace(proof, runs=_confirm(order, proof, found, confirmed))
    if as_json:
        answer(proof.as_json())
    else:
        show(lambda glyphs: proof_table(proof, glyphs))
    return Exit.PASS if proof.holds else Exit.FAIL


def _confirm(
    order: ProofOrder, proof: SchemeProof, found: list[NodeFaults], count: int
) -> RunCheck:
    from hil.campaign.scheme_runs import confirm, draw_faults
    from hil.record.scheme_proof import RunCheck

    say(f"{count} full runs")
    faults = draw_faults(found, count, proof.seed)
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
