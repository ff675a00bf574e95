"""Replicas of the voter, one at each node, each with its own view of the replies; and one round of
exchange between them, which makes their views the same. Pure.

A *two-faced* node, or an asymmetric link, gives different values to different receivers. Replicas
of the voter that vote on different views may decide differently: they are *split*. In the worst
case each half excludes the other, and no majority is left although most nodes are healthy.

The exchange is that of oral messages, OM(1) of Lamport, Shostak and Pease (1982), once for the
reply of each node: each replica passes on what it has received to all others, and takes for each
reply the value in the majority of its own copy and of those that were passed on; without one it
takes no reply. A node is not asked for its own reply again. With N nodes of which one may do
anything, as a sender and as one that passes on, all healthy replicas then have the same view, with
the right replies of all healthy nodes, from N = 4 on. With N = 3 they have not: of two copies that
differ, neither is in a majority. Without the exchange no N is enough.

What the replicas decide together: the decision on which more than half of them agree is the verdict
of the frame. The node of a replica that decided differently counts as one that dissents, as a
computer that fails to agree does in flight: so an asymmetric link can take out a healthy node. So
does a node whose reply was sent, but most replicas have not received or could not agree on.
Without a majority of the replicas nothing is delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from hil.redundancy.voting import RE_EXECUTED, Ballot, NodeStatus, Verdict, VerdictKind, packed

__all__ = [
    "NOTHING",
    "ReplicaDecision",
    "View",
    "combine",
    "decision_of",
    "exchanged",
    "splits_outputs",
]

NOTHING: Final = Ballot(NodeStatus.SILENT)
"""The ballot of a node whose reply a replica has not received."""

View = tuple[Ballot, ...]
"""The ballots of all nodes as one replica has received them."""

PassOn = Callable[[int, int, int, Ballot], Ballot]
"""Called with sender, the replica that passes its reply on, the receiving replica, and the ballot
as it was received; returns what arrives."""


class ReplicaDecision(NamedTuple):
    """The decision of one replica, as it is compared with others: what would leave the system, and
    which nodes agree."""

    kind: VerdictKind
    delivered: bool
    output: int
    state: int
    agree: int
    dissent: int
    latent: int


def decision_of(verdict: Verdict) -> ReplicaDecision:
    """Return the decision of the verdict of one replica."""
    return ReplicaDecision(
        verdict.kind,
        verdict.delivered,
        verdict.output,
        verdict.state,
        verdict.agree,
        verdict.dissent,
        verdict.latent,
    )


def exchanged(views: Mapping[int, View], pass_on: PassOn) -> dict[int, View]:
    """Return the views after one round of exchange between the replicas in `views`, by the index of
    their nodes."""
    return {
        receiver: tuple(
            own
            if sender == receiver
            else _majority(
                [own]
                + [
                    pass_on(sender, other, receiver, view[sender])
                    for other, view in views.items()
                    if other not in (sender, receiver)
                ]
            )
            for sender, own in enumerate(views[receiver])
        )
        for receiver in views
    }


def _majority(copies: Sequence[Ballot]) -> Ballot:
    ballot, count = Counter(copies).most_common(1)[0]
    return ballot if 2 * count > len(copies) else NOTHING


def combine(frame: Verdict, verdicts: Mapping[int, Verdict]) -> Verdict:
    """Return the verdict of a frame from those of the replicas, by the index of their nodes.
    `frame` is one on the ballots that were sent, of which nothing is used but these, its number,
    its voters, and whether it was executed again."""
    decisions = {receiver: decision_of(verdict) for receiver, verdict in verdicts.items()}
    decision, count = Counter(decisions.values()).most_common(1)[0]
    if 2 * count <= len(decisions):
        flags = frame.flags & RE_EXECUTED
        kind = VerdictKind.NO_MAJORITY
        return packed(
            frame._replace(kind=kind, flags=flags, agree=0, dissent=0, latent=0, output=0, state=0)
        )
    majority = next(v for receiver, v in verdicts.items() if decisions[receiver] == decision)
    others = sum(1 << receiver for receiver, d in decisions.items() if d != decision)
    pairs = zip(frame.ballots, majority.ballots, strict=True)
    others |= sum(
        1 << node
        for node, (sent, received) in enumerate(pairs)
        if sent.status == NodeStatus.DONE and received.status != NodeStatus.DONE
    )
    kind = majority.kind
    if others and kind is VerdictKind.UNANIMOUS:
        kind = VerdictKind.MAJORITY
    return packed(
        majority._replace(
            kind=kind,
            agree=majority.agree & ~others,
            dissent=majority.dissent | others,
            latent=majority.latent & ~others,
            ballots=frame.ballots,
        )
    )


def splits_outputs(verdicts: Sequence[Verdict]) -> bool:
    """Return whether what would leave the system differs among the replicas."""
    return len({(v.delivered, v.output if v.delivered else 0) for v in verdicts}) > 1
