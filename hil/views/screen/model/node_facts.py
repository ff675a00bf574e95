"""Reads the facts of all nodes in one frame: answer, recovery state, health and link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hil.record.digest import hex64
from hil.record.event_queries import newest_transition
from hil.record.live import LiveRecord
from hil.record.queries import left_vote, outvoted_though_right, upsets_behind
from hil.record.record_tables import RecordTable
from hil.record.row_values import RecordedNode, RecordedUpset
from hil.record.telemetry_queries import health_rows, link_counts, newest_health
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus, Verdict
from hil.views.checker_results import has_checkers, verdict_of_checkers
from hil.views.correctness import Answered, answered, names_text
from hil.views.listing import inherited_text
from hil.views.screen.model.facts import LinkCounts, NodeFacts, NodeReading, PlantNode
from hil.views.screen.model.recorded_values import link_counts_of, reading_of

__all__ = ["NodeFactsReader"]

_LOOK_BACK: Final = 5000
"""The number of rows of health that are searched for a node without one among the newest."""
_NAMED: Final = 2
"""The most upsets that are named where there is little room."""


@dataclass(frozen=True, slots=True)
class _Recovery:
    """The recovery state of a node; the frame and the cause of its leaving the vote; the upset
    behind that, in words."""

    state: str
    began_frame: int | None = None
    began_cause: str = ""
    upset: str = ""


class NodeFactsReader:
    """Reads the facts of the nodes of one record; values that cannot have changed are not read
    again."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self._checked = has_checkers(source.meta.scenario.scheme)
        self._states: dict[str, tuple[int, _Recovery | None, bool]] = {}
        self._readings: tuple[int, dict[int, list[NodeReading]]] = (-1, {})
        self._heard: dict[int, int] = {}
        self._behind: dict[tuple[str, int], tuple[int, str]] = {}

    def forget(self) -> None:
        """Read the states again, because rows that were read have been removed."""
        self._states.clear()

    def node(
        self,
        node: RecordedNode,
        head: int,
        verdict: Verdict | None,
        golden: tuple[str, str] | None,
        plant: PlantNode | None,
    ) -> NodeFacts:
        """Return a node as of frame `head`; `golden` are the fault-free digests of the frame,
        `plant` what the plant gives the node."""
        index, name = node.idx, node.name
        ballot = verdict.ballots[index] if verdict and index < len(verdict.ballots) else None
        status = NodeStatus(ballot.status).word if ballot else "done"
        answer = None
        if ballot is not None and verdict is not None and index and self._checked:
            own = hex64(ballot.output_digest), hex64(ballot.state_digest)
            answer = verdict_of_checkers(verdict).answer(status, *own)
        elif ballot is not None and golden is not None:
            digests = hex64(ballot.output_digest), hex64(ballot.state_digest)
            accepted = verdict is not None and verdict.correct and bool(verdict.agree >> index & 1)
            ignored = verdict is not None and verdict.states_ignored
            answer = answered(status, *digests, golden, accepted=accepted, states_ignored=ignored)
        recovery = self._recovery(name, head, isolated=status == NodeStatus.EXCLUDED.word)
        upset = recovery.upset
        if not upset and answer not in {None, Answered.RIGHT, Answered.EXCLUDED}:
            upset = self._upset_behind(name, head)
        readings = self._reading(index, head)
        link = self._link(index, head)
        return NodeFacts(
            index,
            name,
            node.board,
            node.model or "",
            node.port or "",
            state=recovery.state,
            began_frame=recovery.began_frame,
            began_cause=recovery.began_cause,
            upset=upset,
            status=status,
            answer=answer,
            signal=ballot.signal if ballot else 0,
            heard_frame=self._heard_frame(index, head, recovery.began_frame),
            reading=readings[0] if readings else None,
            earlier=readings[1] if len(readings) > 1 else None,
            link=link,
            plant=plant,
        )

    def _heard_frame(self, index: int, head: int, departed: int | None) -> int | None:
        """Return the last frame up to `head` in which a node answered; `departed` is the frame in
        which it left the vote."""
        heard = self._source.last_answer(head, index)
        if heard is None and self._heard.get(index, head + 1) <= head:
            heard = self._heard[index]
        if heard is None and departed is not None:
            heard = departed - 1
        if heard is not None:
            self._heard[index] = heard
        return heard

    def _recovery(self, name: str, head: int, *, isolated: bool) -> _Recovery:
        """Return the recovery state of a node, and how it left the vote."""
        upto = self._source.upto(head)
        position = self._source.position(RecordTable.TRANSITIONS, upto)
        after, recovery, by_answers = self._states.get(name, (0, None, False))
        if after > position:
            after, recovery = 0, None
        row = newest_transition(self._source, after, position, name)
        if row is not None or recovery is None:
            state = row.after if row else "isolated" if isolated else "voting"
            recovery = _Recovery(state)
            began = left_vote(self._source, upto, name) if state != NodeState.VOTING else None
            if began is not None:
                recovery = replace(recovery, began_frame=began.frame, began_cause=began.cause)
            # Else an operator or the plant excluded it, not its answers.
            by_answers = began is not None and began.after == NodeState.SUSPECT
        self._states[name] = (position, recovery, by_answers)
        departed = recovery.began_frame
        if by_answers and departed is not None:
            return self._with_upset(name, recovery, departed)
        return recovery

    def _with_upset(self, name: str, recovery: _Recovery, frame: int) -> _Recovery:
        """Add the upset that made a node leave the vote in `frame`, in words."""
        if outvoted_though_right(self._source, frame, name):
            others = [other for other in self._source.names if other != name]
            behind = self._behind_text(upsets_behind(self._source, frame, others), named=True)
            cause = "right, but a wrong majority outvoted it"
            return replace(recovery, began_cause=cause, upset=behind)
        return replace(recovery, upset=self._upset_behind(name, frame))

    def _upset_behind(self, name: str, frame: int) -> str:
        """Return the upset behind a node's answer in a frame, in words, if it is known."""
        cached = self._behind.get((name, frame))
        if cached is None or cached[0] != self._source.changed:
            rows = upsets_behind(self._source, frame, [name])
            text = self._behind_text(rows) or inherited_text(self._source, frame, name)
            if len(self._behind) > 64:
                self._behind.clear()
            cached = self._behind[name, frame] = (self._source.changed, text)
        return cached[1]

    def _behind_text(self, upsets: list[RecordedUpset], *, named: bool = False) -> str:
        """Return the newest of `upsets` in few words: `upset #3 state bit`."""
        texts = [
            f"#{u.id} {u.node + ' ' if named else ''}{u.target} {u.kind.replace('_', ' ')}"
            for u in upsets[-_NAMED:]
        ]
        more = f" and {len(upsets) - _NAMED} more" if len(upsets) > _NAMED else ""
        return f"upset {names_text(texts)}{more}" if texts else ""

    def _link(self, index: int, head: int) -> LinkCounts | None:
        """Return the counters of a link at the frame on view. An old record has only the newest
        ones, which are valid for its newest frame."""
        position = self._source.position(RecordTable.LINK_COUNTS, self._source.upto(head))
        row = link_counts(self._source, position, index, newest=head >= self._source.last)
        return link_counts_of(row)

    def _reading(self, index: int, head: int) -> list[NodeReading]:
        position = self._source.position(RecordTable.HEALTH, self._source.upto(head))
        if position != self._readings[0]:
            readings: dict[int, list[NodeReading]] = {}
            rows = health_rows(self._source, position - 2 * len(self._source.nodes), position)
            for row in reversed(rows):
                readings.setdefault(row.node, []).append(reading_of(row))
            for node in range(len(self._source.nodes)):
                if node not in readings:
                    readings[node] = self._older_reading(node, position)
            self._readings = (position, readings)
        return self._readings[1].get(index, [])

    def _older_reading(self, node: int, position: int) -> list[NodeReading]:
        previous = self._readings[1].get(node)
        if previous and self._readings[0] <= position:
            return previous[:1]
        row = newest_health(self._source, position - _LOOK_BACK, position, node)
        return [reading_of(row)] if row else []
