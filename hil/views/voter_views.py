"""The replicas of the voter in one frame: what each received from each node, and what it decided.

A record has them for the frames in which some of their views differed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.json_values import JsonObject
from hil.record.digest import hex64
from hil.record.queries import Rows
from hil.record.row_values import RecordedReply
from hil.record.span_rows import replicas_between
from hil.redundancy.byzantine import ReplicaDecision, decision_of
from hil.redundancy.field_vote import members
from hil.redundancy.voting import Ballot, NodeStatus, Verdict, VerdictKind, unpack
from hil.views.correctness import names_text

__all__ = ["ReceivedReply", "VoterView", "received_words", "split_texts", "voter_views"]


@dataclass(frozen=True, slots=True)
class ReceivedReply:
    """The reply of `sender` as one replica has it: its status, its digests (empty without an
    answer), and whether it is what was sent."""

    sender: str
    status: str
    output_digest: str
    state_digest: str
    as_sent: bool


@dataclass(frozen=True, slots=True)
class VoterView:
    """The replica of the voter at a node: the replies that it voted on, after the exchange if there
    is one; its decision in words, and the digest of the output that it decided on (empty: none);
    `splits`: most of the replicas decided otherwise, or there is no majority of them."""

    node: str
    received: tuple[ReceivedReply, ...]
    decision: str
    output_digest: str
    splits: bool

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "voter": self.node,
            "decision": self.decision,
            "output_digest": self.output_digest or None,
            "split": self.splits,
            "received": [
                {
                    "from": reply.sender,
                    "status": reply.status,
                    "output_digest": reply.output_digest or None,
                    "state_digest": reply.state_digest or None,
                    "as_sent": reply.as_sent,
                }
                for reply in self.received
            ],
        }


def voter_views(
    record: Rows, names: Sequence[str], frame: int, replies: Sequence[RecordedReply]
) -> tuple[VoterView, ...]:
    """Return the replicas of the voter in a frame; empty where all had the same view. `replies` are
    those of the frame, in all its executions. Raises: KernelError if a packed verdict is not
    one."""
    rows = replicas_between(record, frame, frame)
    if not rows:
        return ()
    last = max((reply.execution for reply in replies), default=0)
    sent = {reply.node: reply for reply in replies if reply.execution == last}
    verdicts = {row.node: unpack(row.verdict) for row in rows if row.node < len(names)}
    decisions = {node: decision_of(verdict) for node, verdict in verdicts.items()}
    most = _majority(decisions)
    return tuple(
        VoterView(
            names[node],
            tuple(
                _received(names[sender], ballot, sent.get(sender))
                for sender, ballot in enumerate(verdict.ballots[: len(names)])
            ),
            _words(verdict, names),
            hex64(verdict.output) if verdict.delivered and verdict.output else "",
            decisions[node] != most,
        )
        for node, verdict in verdicts.items()
    )


def split_texts(
    record: Rows, names: Sequence[str], frame: int, replies: Sequence[RecordedReply]
) -> list[str]:
    """Return the replicas of the voter that decided otherwise than most of them in a frame, each in
    words. Raises: KernelError if a packed verdict is not one."""
    views = voter_views(record, names, frame, replies)
    return [f"the voter of {v.node}: {v.decision}" for v in views if v.splits]


def _majority(decisions: Mapping[int, ReplicaDecision]) -> ReplicaDecision | None:
    """Return the decision of more than half of the replicas; None without one."""
    decision, count = Counter(decisions.values()).most_common(1)[0]
    return decision if 2 * count > len(decisions) else None


def _received(sender: str, ballot: Ballot, reply: RecordedReply | None) -> ReceivedReply:
    status = NodeStatus(ballot.status).word
    done = ballot.status == NodeStatus.DONE
    output = hex64(ballot.output_digest) if done else ""
    state = hex64(ballot.state_digest) if done else ""
    if reply is None:
        return ReceivedReply(sender, status, output, state, as_sent=True)
    same = status == reply.status
    if done and same:
        same = (output, state) == (reply.output_digest, reply.state_digest)
    return ReceivedReply(sender, status, output, state, as_sent=same)


def _words(verdict: Verdict, names: Sequence[str]) -> str:
    """Return the decision of one replica in words."""
    kind = verdict.kind.word.replace("_", " ")
    if verdict.kind in (VerdictKind.NO_MAJORITY, VerdictKind.NO_QUORUM):
        return kind
    agree = names_text(names[node] for node in members(verdict.agree) if node < len(names))
    against = [names[node] for node in members(verdict.dissent) if node < len(names)]
    text = f"{kind} of {agree}" if agree else kind
    if against:
        text += f"; {names_text(against)} {'dissent' if len(against) > 1 else 'dissents'}"
    return text


def received_words(view: VoterView) -> str:
    """Return what a replica received, sender by sender: `a another output, b as sent`."""
    return ", ".join(f"{reply.sender} {_word(reply)}" for reply in view.received)


def _word(reply: ReceivedReply) -> str:
    if reply.as_sent:
        return "as sent" if reply.status == NodeStatus.DONE.word else reply.status
    if reply.status != NodeStatus.DONE.word:
        return "nothing"
    return f"other, {reply.output_digest[:8]}"
