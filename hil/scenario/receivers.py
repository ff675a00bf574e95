"""Rules of faults that hit the copies of a reply for some receivers only."""

from __future__ import annotations

from typing import Protocol

from hil.scenario.problems import Findings
from hil.scenario.words import ASYMMETRIC_NOISES, Direction, LinkNoiseKind, UpsetTarget

__all__ = ["copy_findings"]


class _Event(Protocol):
    """The keys of an event that the rules are about."""

    @property
    def node(self) -> str: ...
    @property
    def target(self) -> UpsetTarget: ...
    @property
    def noise(self) -> LinkNoiseKind | None: ...
    @property
    def direction(self) -> Direction | None: ...
    @property
    def to(self) -> tuple[str, ...]: ...
    @property
    def passes_on(self) -> str | None: ...
    @property
    def lasts_frames(self) -> int: ...


def copy_findings(event: _Event) -> Findings:
    """Return the problems of an event that hits copies of a reply, or should say that it does."""
    findings = Findings()
    if not event.to:
        for key, word, present in (
            ("passes_on", "passes_on", event.passes_on is not None),
            (
                "lasts_frames",
                "lasts_frames",
                event.lasts_frames != 1 and event.target is not UpsetTarget.TIMING,
            ),
            ("noise", str(event.noise), event.noise in ASYMMETRIC_NOISES),
        ):
            if present:
                findings.add(key, f"`{word}` needs receivers; expected `to:`", "add `to: [NODE]`")
        return findings
    if event.target is not UpsetTarget.LINK:
        findings.add(
            "to", f"`to` has no meaning for target {event.target}; it is for link", "remove it"
        )
        return findings
    if event.direction is Direction.TO_BOARD:
        findings.add("direction", "only replies have several receivers", "remove it")
    if event.node in event.to:
        findings.add("to", f"node {event.node} does not send to itself", "name other nodes")
    if event.passes_on is not None and event.passes_on in (event.node, *event.to):
        findings.add(
            "passes_on",
            f"node {event.passes_on} is the sender or a receiver; expected a third node",
            "name another node",
        )
    return findings
