"""The replicas of the voter, one at each node in service: what each receives, what they exchange,
and what they decide together (`hil.redundancy.byzantine`).

All replicas decide by the same rule; those of a voter by value get the bytes of the outputs, too,
of each copy its own. In a frame in which no fault hits any copy, one vote stands
for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hil.errors import KernelError
from hil.redundancy.byzantine import NOTHING, Alike, View, combine, decide_alike, exchanged
from hil.redundancy.value_vote import OutputBallots, OutputBytes
from hil.redundancy.voting import Ballot, Verdict
from hil.rig.node import DONE, NodeResult, result_of_reply
from hil.rig.receiver_lines import ReceiverLines
from hil.rig.rig import Rig
from hil.wire import decoding

__all__ = ["ReplicaVote", "VoterReplicas"]


@dataclass(frozen=True, slots=True)
class ReplicaVote:
    """The verdict of a frame, and those of all replicas, by the index of their nodes; none where
    all replicas had the same view. `differed`: some copy was not what was sent. With a voter by
    value `Verdict.record` of a replica ends with the outputs that it received and that are not what
    their nodes sent, in rig order: without them nobody could vote on its view again."""

    verdict: Verdict
    replicas: Mapping[int, Verdict]
    differed: bool


class VoterReplicas:
    """The replicas of one rig. `exchange`: whether they pass on what they have received; `alike`:
    whether two verdicts are the same decision, by the rule of the voter. Not thread-safe."""

    def __init__(
        self, rig: Rig, lines: ReceiverLines, *, exchange: bool, alike: Alike = decide_alike
    ) -> None:
        self.alike = alike
        self._outputs: dict[int, bytes] = {}  # of copies that were not what was sent, by digest
        self._rig = rig
        self._lines = lines
        self._exchange = exchange
        self._received: dict[tuple[int, int], bytes | None] = {}

    def is_disturbed(self, frame: int) -> bool:
        """Return whether replicas may have different views of `frame`."""
        return self._lines.is_disturbed(frame)

    def vote(
        self,
        frame: int,
        voters: int,
        ballots: Sequence[Ballot],
        results: Mapping[str, NodeResult],
        decide: Callable[[Sequence[Ballot]], Verdict],
    ) -> ReplicaVote:
        """Let each replica in the mask `voters` vote on its own view of a frame; `ballots` are what
        the nodes sent, `decide` is the rule of the scheme."""
        sent = decide(ballots)
        self._outputs.clear()
        receivers = [node.index for node in self._rig.nodes if voters >> node.index & 1]
        views = {r: self._view(frame, r, ballots, results) for r in receivers}
        differed = any(view != tuple(ballots) for view in views.values())
        if self._exchange and len(views) > 1:

            def pass_on(sender: int, relay: int, receiver: int, ballot: Ballot) -> Ballot:
                nonlocal differed
                arrived = self._passed_on(frame, sender, relay, receiver, ballot)
                differed = differed or arrived != ballot
                return arrived

            views = exchanged(views, pass_on)
        if not views or all(view == tuple(ballots) for view in views.values()):
            return ReplicaVote(sent, {}, differed)
        seen = {receiver: self._with_outputs(view, ballots) for receiver, view in views.items()}
        replicas = {
            receiver: _with_evidence(decide(view), view, ballots) for receiver, view in seen.items()
        }
        return ReplicaVote(combine(sent, replicas, self.alike), replicas, differed)

    def _with_outputs(self, view: View, sent: Sequence[Ballot]) -> Sequence[Ballot]:
        """Return a view as its voter takes it: by value, with the bytes of the outputs."""
        if not isinstance(sent, OutputBallots):
            return view
        known = zip(sent, sent.outputs.nodes, strict=True)
        outputs = {ballot.output_digest: output for ballot, output in known} | self._outputs
        own = [outputs.get(b.output_digest, b"") if b.status == DONE else b"" for b in view]
        return OutputBallots(view, OutputBytes(own, sent.outputs.golden))

    def _view(
        self,
        frame: int,
        receiver: int,
        ballots: Sequence[Ballot],
        results: Mapping[str, NodeResult],
    ) -> View:
        """Return what one replica has received. It takes the reply of its own node from there, and
        knows of a node that has not answered what all know."""
        view = list(ballots)
        for node in self._rig.nodes:
            sender = node.index
            result = results.get(node.name)
            payload = (self._rig.replies or {}).get(node.name)
            if sender == receiver or result is None or result.status != DONE or payload is None:
                continue
            to = self._rig.nodes[receiver].name
            copy = self._lines.copy(frame, node.name, to, payload)
            self._received[sender, receiver] = copy
            if copy is not payload:
                view[sender] = self._ballot(copy)
        return tuple(view)

    def _passed_on(
        self, frame: int, sender: int, relay: int, receiver: int, ballot: Ballot
    ) -> Ballot:
        """Return what `receiver` gets of the copy of a reply that the replica `relay` has."""
        copy = self._received.get((sender, relay))
        if copy is None or ballot.status != DONE:
            return ballot
        nodes = self._rig.nodes
        to, source = nodes[receiver].name, nodes[relay].name
        arrived = self._lines.copy(frame, nodes[sender].name, to, copy, source)
        return ballot if arrived is copy else self._ballot(arrived)

    def _ballot(self, copy: bytes | None) -> Ballot:
        if copy is None:
            return NOTHING
        try:
            reply = decoding.reply(copy, only_digest=self._rig.setup.long_outputs)
        except KernelError:
            return NOTHING
        r = result_of_reply(reply)
        self._outputs[r.output_digest] = r.output
        return Ballot(r.status, r.signal, r.output_digest, r.state_digest)


def _with_evidence(verdict: Verdict, view: Sequence[Ballot], sent: Sequence[Ballot]) -> Verdict:
    """Return the verdict of a replica with the outputs that it alone received behind its record."""
    if not isinstance(view, OutputBallots):
        return verdict
    received = zip(view, sent, view.outputs.nodes, strict=True)
    other = b"".join(output for copy, ballot, output in received if copy != ballot)
    return verdict._replace(record=verdict.record + other)
