"""The voter: the verdict on one frame from the ballots of all nodes. Pure.

The decision is made in C (`frame_verdict_decide` in csrc/host/frame_verdict.c), by one function for
single frames, for batches and for recordings that are voted again; this module converts its values
to Python. `hil.redundancy.electorate.Scheme` decides whose ballots count. The record stores packed
frames, and the run digest is computed from them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from hil._kernel import ffi, lib
from hil.kernel import check

if TYPE_CHECKING:  # a reader of records votes by digests alone
    from hil.redundancy.field_vote import ValueDecision

MAX_NODES: Final[int] = lib.VOTE_MAX_NODES


class VerdictKind(enum.IntEnum):
    """hil_verdict_kind_t. `word`: as records, metrics and summaries name it."""

    UNANIMOUS = lib.VERDICT_UNANIMOUS
    MAJORITY = lib.VERDICT_MAJORITY
    SIMPLEX = lib.VERDICT_SIMPLEX
    NO_MAJORITY = lib.VERDICT_NO_MAJORITY
    NO_QUORUM = lib.VERDICT_NO_QUORUM

    @property
    def word(self) -> str:
        """Return the word that is stored."""
        return self.name.lower()


class NodeStatus(enum.IntEnum):
    """hil_node_status_t: how a node's frame ended. `word`: as records name it."""

    DONE = lib.NODE_DONE
    CRASHED = lib.NODE_CRASHED
    HUNG = lib.NODE_HUNG
    ABSENT = lib.NODE_ABSENT
    SILENT = lib.NODE_SILENT
    EXCLUDED = lib.NODE_EXCLUDED

    @property
    def word(self) -> str:
        """Return the word that is stored."""
        return self.name.lower()


_PRIMARY_AT: Final = 15  # byte of a packed frame (hil.record.schema)
_KINDS: Final = {int(kind): kind for kind in VerdictKind}

DELIVERED: Final[int] = lib.FRAME_DELIVERED
CORRECT: Final[int] = lib.FRAME_CORRECT
RE_EXECUTED: Final[int] = lib.FRAME_RE_EXECUTED
STATE_SPLIT: Final[int] = lib.FRAME_STATE_SPLIT
FAIL_SILENT: Final[int] = lib.FRAME_FAIL_SILENT
HELD: Final[int] = lib.FRAME_HELD
HELD_WRONG: Final[int] = lib.FRAME_HELD_WRONG


class Ballot(NamedTuple):
    """One node's part in a frame: how its step ended, and the digests it sent (0 without)."""

    status: int
    signal: int = 0
    output_digest: int = 0
    state_digest: int = 0


class VoterUpset(NamedTuple):
    """A flipped bit of the memory in which the voter decides one frame (hil_frame_verdict_t):
    before it has `decided`, or after."""

    bit: int
    decided: bool


class Verdict(NamedTuple):
    """The decision on one frame. Masks have bit i for node i; `output` and `state` are the agreed
    digests (0: none). `record` is the packed frame. `values`: the votes on the fields, of a voter
    by value; None for the exact majority, and where a frame is decoded from a record."""

    frame: int
    kind: VerdictKind
    voters: int
    flags: int
    agree: int
    dissent: int
    latent: int
    output: int
    state: int
    ballots: tuple[Ballot, ...]
    record: bytes
    values: ValueDecision | None = None

    @property
    def delivered(self) -> bool:
        """Return whether an output of this frame left the system."""
        return bool(self.flags & DELIVERED)

    @property
    def correct(self) -> bool:
        """Return whether the delivered output is that of the golden run."""
        return bool(self.flags & CORRECT)

    def dissents(self, node: int, output_digest: int) -> bool:
        """Return whether a node, by its index, answered with another output than the agreed one, or
        its replica of the voter decided differently. By value, several outputs agree."""
        if self.values is None:
            return output_digest != self.output or bool(self.dissent >> node & 1)
        return not self.agree >> node & 1

    def with_flags(self, flags: int) -> Verdict:
        """Return the verdict with other flags, packed again."""
        return packed(self._replace(flags=flags), self.primary)

    @property
    def primary(self) -> int | None:
        """Return the index of the node that commands; None in a scheme without a primary, and where
        nobody does."""
        number = self.record[_PRIMARY_AT] if self.record else 0
        return number - 1 if number else None

    @property
    def contested(self) -> bool:
        """Return whether the output of a primary was delivered although its monitors contradict it:
        not yet for long enough to vote it out."""
        return self.kind is VerdictKind.NO_MAJORITY and self.delivered

    @property
    def decided(self) -> bool:
        """Return whether the frame says of each node whether it agrees: an output was delivered, or
        one was refused by checkers that agree, and nothing is delivered in its place."""
        return self.delivered or (self.kind is VerdictKind.MAJORITY and bool(self.output))

    @property
    def states_ignored(self) -> bool:
        """Return whether the states of nodes whose outputs agree were not compared."""
        return self.delivered and not self.state and not self.flags & STATE_SPLIT

    @property
    def held(self) -> bool:
        """Return whether the last voted output left the system again, in place of one of this
        frame."""
        return bool(self.flags & HELD)

    @property
    def held_wrong(self) -> bool:
        """Return whether the held output was wrong already in its own frame."""
        return bool(self.flags & HELD_WRONG)


class Voter(Protocol):
    """Decides one frame from the ballots of the nodes in the mask `voters`; `vote` is one, and has
    the meaning of the arguments."""

    def __call__(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        voters: int,
        golden_output: int | None = None,
        *,
        re_executed: bool = False,
        fail_silent: bool = False,
        held: int = 0,
    ) -> Verdict:
        """Return the verdict."""


def record_length(nodes: int) -> int:
    """Return the length of one packed frame of this many nodes [byte]."""
    return int(lib.FRAME_RECORD_HEADER_LEN + nodes * lib.FRAME_RECORD_NODE_LEN)


_RECORD_MAX: Final = record_length(MAX_NODES)


def from_c(f: Any, ballots: Sequence[Ballot], primary: int | None = None) -> Verdict:
    """Return a decided hil_frame_verdict_t as a verdict on these ballots, with its packed frame;
    the node with the index `primary` commands. Raises: KernelError for more than 8 nodes."""
    record = ffi.new("uint8_t[]", _RECORD_MAX)
    length = check(lib.frame_verdict_pack(f, record, _RECORD_MAX), "frame_verdict_pack")
    if primary is not None:
        record[_PRIMARY_AT] = 1 + primary
    return _verdict(f, ballots, ffi.buffer(record, length)[:])


def in_c(ballots: Sequence[Ballot]) -> Any:
    """Return a new hil_frame_verdict_t with these ballots, and nothing else."""
    f = ffi.new("hil_frame_verdict_t *")  # one per call: viewers may unpack in other threads
    _enter(f, ballots)
    return f


def _enter(f: Any, ballots: Sequence[Ballot]) -> None:
    f.nodes = len(ballots)
    for node, ballot in zip(f.node, ballots, strict=False):  # a C frame has MAX_NODES places
        node.status, node.signal, node.output_digest, node.state_digest = ballot


def enter(f: Any, verdict: Verdict) -> Any:
    """Make the hil_frame_verdict_t `f`, which is all zero, that of a verdict, and return it."""
    _enter(f, verdict.ballots)
    f.frame, f.voters = verdict.frame, verdict.voters
    f.verdict, f.flags = verdict.kind, verdict.flags
    f.agree, f.dissent, f.latent = verdict.agree, verdict.dissent, verdict.latent
    f.output, f.state = verdict.output, verdict.state
    return f


def decided_in_c(verdict: Verdict) -> Any:
    """Return a verdict as a new hil_frame_verdict_t."""
    return enter(ffi.new("hil_frame_verdict_t *"), verdict)


def _verdict(f: Any, ballots: Sequence[Ballot], record: bytes) -> Verdict:
    return Verdict(
        f.frame,
        _KINDS[f.verdict],
        f.voters,
        f.flags,
        f.agree,
        f.dissent,
        f.latent,
        f.output,
        f.state,
        tuple(ballots),
        record,
    )


def vote(
    frame: int,
    ballots: Sequence[Ballot],
    voters: int,
    golden_output: int | None = None,
    *,
    re_executed: bool = False,
    fail_silent: bool = False,
    held: int = 0,
    upset: VoterUpset | None = None,
) -> Verdict:
    """Decide one frame.

    `ballots` has one entry per node in rig order; `voters` is the mask of nodes that vote.
    `golden_output`, if known, only marks a delivered output as correct; it has no part in the
    decision. `fail_silent`: a voter without another to compare with delivers nothing. `held`: HELD,
    optionally with HELD_WRONG, if the last voted output leaves the system again when this frame has
    none. `upset`: a bit of the voter's memory that is hit. Raises: KernelError for more than 8
    nodes. Thread-safe."""
    f = in_c(ballots)
    f.frame, f.voters = frame, voters
    f.flags = (RE_EXECUTED if re_executed else 0) | (FAIL_SILENT if fail_silent else 0) | held
    if upset is not None and not upset.decided:
        _flip(f, upset)
    check(lib.frame_verdict_decide(f), "frame_verdict_decide")
    if upset is not None and upset.decided:
        _flip(f, upset)
    if f.flags & DELIVERED and golden_output is not None and f.output == golden_output:
        f.flags |= CORRECT
    return from_c(f, ballots)


def packed(verdict: Verdict, primary: int | None = None) -> Verdict:
    """Return a verdict that was decided elsewhere, with its packed frame; the node with the index
    `primary` commands. Raises: KernelError for more than 8 nodes. Thread-safe."""
    record = from_c(decided_in_c(verdict), verdict.ballots, primary).record
    return verdict._replace(record=record)


def _flip(f: Any, upset: VoterUpset) -> None:
    memory = ffi.cast("uint8_t *", f)
    memory[upset.bit // 8] ^= 1 << upset.bit % 8


def voter_fields(nodes: int) -> list[tuple[str, int, int]]:
    """Return the fields of the voter's memory for this many nodes: name, first bit and number of
    bits of each. What lies between them is not used."""
    out: list[tuple[str, int, int]] = []
    for name, field in ffi.typeof("hil_frame_verdict_t").fields:
        if name != "node":
            out.append((name, 8 * field.offset, 8 * ffi.sizeof(field.type)))
            continue
        entry = field.type.item
        for number in range(nodes):
            at = field.offset + number * ffi.sizeof(entry)
            for part, inner in entry.fields:
                size = 8 * ffi.sizeof(inner.type)
                out.append((f"node[{number}].{part}", 8 * (at + inner.offset), size))
    return out


def unpack(record: bytes | memoryview) -> Verdict:
    """Decode a packed frame. Raises: KernelError if the bytes are not one. Thread-safe."""
    f = ffi.new("hil_frame_verdict_t *")
    length = check(
        lib.frame_verdict_unpack(f, ffi.from_buffer(record), len(record)), "frame_verdict_unpack"
    )
    ballots = [
        Ballot(n.status, n.signal, n.output_digest, n.state_digest) for n in f.node[0 : f.nodes]
    ]
    return _verdict(f, ballots, bytes(record[:length]))


def unpack_all(block: bytes, nodes: int) -> Iterator[Verdict]:
    """Decode a block of packed frames of `nodes` nodes each."""
    size = record_length(nodes)
    for at in range(0, len(block), size):
        yield unpack(block[at : at + size])


def vote_again(recorded: Verdict) -> Verdict:
    """Vote on recorded ballots again. What a vote cannot determine is copied from the record: the
    CORRECT flag, and whether an output was held."""
    return vote(
        recorded.frame,
        recorded.ballots,
        recorded.voters,
        recorded.output if recorded.correct else None,
        re_executed=bool(recorded.flags & RE_EXECUTED),
        fail_silent=bool(recorded.flags & FAIL_SILENT),
        held=recorded.flags & (HELD | HELD_WRONG),
    )
