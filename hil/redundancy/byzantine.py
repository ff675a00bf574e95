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
Without a majority of the replicas nothing is delivered.

With a voter by value, replicas of different views may deliver values that differ and yet agree
within the tolerance. They then decide alike: if both deliver, or neither does, the outputs agree in
every field, and the states are the same. Since agreement is not transitive, the verdict is that of
the replica with which most of them agree, of several the first; a node agrees or dissents if most
of these replicas say so. What such a voter remembers of earlier frames is that of the verdict, the
same for all replicas. After the exchange all views are the same, and so are the decisions: the
bound on N is that of the exact voter, because the exchange compares copies, not values.

What the replicas decide together is determined in C (csrc/host/replicas.c), which runs and the
pages of reports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hil._kernel import ffi, lib
from hil.kernel import check
from hil.redundancy.voting import (
    DELIVERED,
    MAX_NODES,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    decided_in_c,
    enter,
    from_c,
)

__all__ = [
    "NOTHING",
    "Alike",
    "ReplicaDecision",
    "View",
    "combine",
    "decide_alike",
    "decision_of",
    "exchanged",
    "splits",
    "splits_outputs",
]

NOTHING: Final = Ballot(NodeStatus.SILENT)
"""The ballot of a node whose reply a replica has not received."""

View = tuple[Ballot, ...]
"""The ballots of all nodes as one replica has received them."""

PassOn = Callable[[int, int, int, Ballot], Ballot]
"""Called with sender, the replica that passes its reply on, the receiving replica, and the ballot
as it was received; returns what arrives."""


Alike = Callable[[Verdict, Verdict], bool]
"""Called with the verdicts of two replicas; returns whether they decided alike."""


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


def decide_alike(one: Verdict, other: Verdict) -> bool:
    """Return whether two replicas of the exact voter decided alike."""
    return not splits((one, other))


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


def combine(
    frame: Verdict, verdicts: Mapping[int, Verdict], alike: Alike = decide_alike
) -> Verdict:
    """Return the verdict of a frame from those of the replicas, by the index of their nodes.
    `frame` is one on the ballots that were sent, of which nothing is used but these, its number,
    its voters, and whether it was executed again. `alike`: the rule of the voter."""
    of, receivers = ffi.new("hil_frame_verdict_t[]", MAX_NODES), 0
    for node, verdict in verdicts.items():
        enter(of[node], verdict)
        receivers |= 1 << node
    masks = _masks(of, receivers) if alike is decide_alike else _masks_by(alike, verdicts)
    f = ffi.new("hil_frame_verdict_t *")
    sent = decided_in_c(frame)
    centre = check(lib.replicas_combine(sent, of, receivers, masks, f), "replicas_combine")
    verdict = from_c(f, frame.ballots)
    return verdict._replace(values=verdicts[centre - 1].values) if centre else verdict


def _masks(of: Any, receivers: int) -> Any:
    """Return for each replica, by the index of its node, the mask of those that decided alike: a
    uint8_t of C for each of MAX_NODES nodes."""
    masks = ffi.new("uint8_t[]", MAX_NODES)
    check(lib.replicas_alike(of, receivers, masks), "replicas_alike")
    return masks


def _masks_by(alike: Alike, verdicts: Mapping[int, Verdict]) -> Any:
    """Return the same by the rule of another voter."""
    masks = ffi.new("uint8_t[]", MAX_NODES)
    for node, one in verdicts.items():
        masks[node] = sum(1 << other for other, v in verdicts.items() if alike(one, v))
    return masks


def splits(verdicts: Sequence[Verdict], alike: Alike = decide_alike) -> bool:
    """Return whether not all replicas decided alike."""
    everybody, numbered = (1 << len(verdicts)) - 1, dict(enumerate(verdicts))
    if alike is not decide_alike:
        masks = _masks_by(alike, numbered)
    else:
        of = ffi.new("hil_frame_verdict_t[]", MAX_NODES)
        for number, verdict in numbered.items():
            enter(of[number], verdict)
        masks = _masks(of, everybody)
    return any(mask != everybody for mask in masks[0 : len(verdicts)])


def splits_outputs(verdicts: Sequence[Verdict], alike: Alike = decide_alike) -> bool:
    """Return whether what would leave the system differs among the replicas. Outputs of a voter by
    value, whose rule is `alike`, differ where they do not agree."""
    delivering = [v for v in verdicts if v.delivered]
    if delivering and len(delivering) < len(verdicts):
        return True
    if alike is decide_alike:
        return len({v.output for v in delivering}) > 1
    return splits([v._replace(state=0, flags=DELIVERED) for v in delivering], alike)
