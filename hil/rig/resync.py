"""Delta resync: find the chunks in which a node's state differs, vote on them bit by bit, and send
only them.

The board computes digests of spans of its state. Only the spans that differ are divided further, by
FANOUT, down to chunks of CHUNK bytes: one flipped bit in 1 MiB costs a few hundred bytes on the
wire instead of 1 MiB.

No function here is thread-safe: they use the links of their nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.errors import NodeError
from hil.kernel import CHUNK, FANOUT, spans, vote_bitwise
from hil.rig.calls import Call, ReadCall, Timing, WriteCall
from hil.rig.exchange import run_calls
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.wire import decoding, encoding
from hil.wire.messages import SPANS_MAX, Msg, Region

_FULL_COPY_SHARE = 0.5
"""If more of the state than this differs, all of it is copied from one node, without a vote."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One chunk that differed: its offset in the state [byte], its content before, the voted
    content, and the number of bits in which they differ."""

    offset: int
    found: bytes
    voted: bytes
    diff_bits: int


@dataclass(frozen=True, slots=True)
class Resync:
    """The result of a resync: the number of chunks and of bytes that were written, and whether the
    full state was copied. `damage` has the first `DAMAGE_KEPT` chunks; it is empty after a full
    copy."""

    chunks: int
    bytes_moved: int
    full: bool
    damage: tuple[Damage, ...]


DAMAGE_KEPT = 16


def _span_digests(
    rig: Rig, nodes: Sequence[Node], span: int, first: int, count: int, timing: Timing | None = None
) -> list[list[int]]:
    """Ask several nodes at once for the digests of `count` spans of `span` bytes; return a list of
    digests per node."""
    out: list[list[int]] = [[] for _ in nodes]
    for at in range(first, first + count, SPANS_MAX):
        part = min(SPANS_MAX, first + count - at)
        payload = encoding.spans_request(Region.STATE, span, at, part)
        calls = [Call(n.link, rig.requests.next_seq(), Msg.SPANS, payload) for n in nodes]
        run_calls(calls, timing or rig.requests.timing)
        for digests, node, call in zip(out, nodes, calls, strict=True):
            digests.extend(decoding.span_digests(rig.requests.expect(node, call)))
    return out


def _differing(
    state_len: int, digests: Callable[[int, int, int], tuple[list[int], list[int]]]
) -> list[int]:
    """Return the numbers of the chunks that differ, ascending. `digests` returns those of both
    states for a span length, a first span and a count of spans."""
    span = CHUNK
    while span * FANOUT < state_len:
        span *= FANOUT
    differing = [0]
    scale = span * FANOUT  # [byte] the size of a span in `differing`
    while True:
        smaller: list[int] = []
        for larger in differing:
            first = larger * (scale // span)
            count = min(scale // span, -(-state_len // span) - first)
            ours, theirs = digests(span, first, count)
            smaller += [first + i for i in range(count) if ours[i] != theirs[i]]
        differing, scale = smaller, span
        if span == CHUNK or not differing:
            return differing
        span //= FANOUT


def locate(rig: Rig, target: Node, source: Node, state_len: int) -> list[int]:
    """Return the numbers of the chunks in which the states of two nodes differ, ascending.

    `state_len` is in bytes. Raises: NodeError, LinkTimeout."""

    def digests(span: int, first: int, count: int) -> tuple[list[int], list[int]]:
        ours, theirs = _span_digests(rig, [target, source], span, first, count)
        return ours, theirs

    return _differing(state_len, digests)


def changed_chunks(rig: Rig, node: Node, known: bytes, timing: Timing | None = None) -> list[int]:
    """Return the numbers of the chunks in which the state of a node differs from `known`, which is
    as long, ascending. Raises: NodeError, LinkTimeout."""

    def digests(span: int, first: int, count: int) -> tuple[list[int], list[int]]:
        (theirs,) = _span_digests(rig, [node], span, first, count, timing)
        return spans(known, span, first, count), theirs

    return _differing(len(known), digests)


def read_changes(
    rig: Rig, node: Node, known: bytes, chunks: Sequence[int], timing: Timing | None = None
) -> bytes:
    """Return the state of a node that differs from `known` in these `chunks` (ascending).

    Raises: NodeError, LinkTimeout."""
    state = bytearray(known)
    runs: list[tuple[int, int]] = []  # (first, end) of consecutive chunks, which are read at once
    for chunk in chunks:
        if runs and runs[-1][1] == chunk:
            runs[-1] = (runs[-1][0], chunk + 1)
        else:
            runs.append((chunk, chunk + 1))
    for first, end in runs:
        offset, until = first * CHUNK, min(end * CHUNK, len(known))
        call = ReadCall(node.link, rig.requests.next_seq(), Region.STATE, offset, until - offset)
        run_calls([call], timing or rig.requests.timing)
        state[offset:until] = rig.requests.expect(node, call)
    return bytes(state)


def write_changes(rig: Rig, node: Node, wanted: bytes) -> int:
    """Write the chunks in which the state of a node differs from `wanted`; return how many bytes
    that were. Raises: NodeError, LinkTimeout."""
    moved = 0
    for chunk in changed_chunks(rig, node, wanted):
        part = wanted[chunk * CHUNK : (chunk + 1) * CHUNK]
        _write(rig, node, chunk * CHUNK, part)
        moved += len(part)
    return moved


def _read(
    rig: Rig, nodes: Sequence[Node], offset: int, length: int, region: Region = Region.STATE
) -> list[bytes]:
    calls = [ReadCall(n.link, rig.requests.next_seq(), region, offset, length) for n in nodes]
    run_calls(calls, rig.requests.timing)
    return [rig.requests.expect(n, c) for n, c in zip(nodes, calls, strict=True)]


def _write(
    rig: Rig, node: Node, offset: int, content: bytes, region: Region = Region.STATE
) -> None:
    call = WriteCall(
        node.link, rig.requests.next_seq(), region, offset, content, rig.requests.next_seq
    )
    run_calls([call], rig.requests.timing)
    rig.requests.expect(node, call)


def write_state(rig: Rig, node: Node, current: bytes, wanted: bytes) -> int:
    """Write the chunks in which `wanted` differs from `current`; return how many bytes that were.

    Raises: NodeError, LinkTimeout."""
    moved = 0
    for offset in range(0, len(wanted), CHUNK):
        part = wanted[offset : offset + CHUNK]
        if part != current[offset : offset + CHUNK]:
            _write(rig, node, offset, part)
            moved += len(part)
    return moved


def write_output(rig: Rig, node: Node, content: bytes) -> None:
    """Write the output of an earlier frame: an upset may hit it before a step overwrites it.

    Raises: NodeError, LinkTimeout."""
    _write(rig, node, 0, content, Region.OUTPUT)


def read_state(rig: Rig, node: Node, state_len: int) -> bytes:
    """Return the whole state of a node. Raises: NodeError, LinkTimeout."""
    return _read(rig, [node], 0, state_len)[0]


def read_output(rig: Rig, node: Node, output_len: int) -> bytes:
    """Return the output of a node's last frame. Raises: NodeError, LinkTimeout."""
    return _read(rig, [node], 0, output_len, Region.OUTPUT)[0]


def read_outputs(rig: Rig, nodes: Sequence[Node], output_len: int) -> dict[str, bytes]:
    """Return the outputs of the last frame of several nodes, by name, read at once. A node that
    does not send its own is left out; nothing is raised for it but VersionMismatch."""
    calls = [ReadCall(n.link, rig.requests.next_seq(), Region.OUTPUT, 0, output_len) for n in nodes]
    run_calls(calls, rig.requests.timing)
    pairs = zip(nodes, calls, strict=True)
    return {n.name: c.result for n, c in pairs if isinstance(c.result, bytes)}


def delta_resync(
    rig: Rig, target: Node, sources: Sequence[Node], frame: int, state_digest: int, state_len: int
) -> Resync:
    """Bring `target` to the state that `sources` agreed on after `frame`, with `state_digest`.

    Chunks that differ are voted on bit by bit between the target and two sources; with one source
    they are copied from it. The board checks the digest of its state at the end.

    Raises: NodeError if the state still differs (a memory cell that does not hold what is written),
    or if there is no source; LinkTimeout if a node does not answer."""
    if not sources:
        raise NodeError(f"node {target.name}: no other node is left to resync from")
    chunks = locate(rig, target, sources[0], state_len)
    damage: list[Damage] = []
    moved = 0
    full = len(chunks) * CHUNK > state_len * _FULL_COPY_SHARE
    if full:
        content = _read(rig, sources[:1], 0, state_len)[0]
        _write(rig, target, 0, content)
        moved = len(content)
        chunks = list(range(-(-state_len // CHUNK)))
    for chunk in [] if full else chunks:
        offset = chunk * CHUNK
        length = min(CHUNK, state_len - offset)
        voters = [target, *sources[:2]] if len(sources) >= 2 else [target, sources[0]]
        copies = _read(rig, voters, offset, length)
        voted = vote_bitwise(copies).value if len(copies) == 3 else copies[1]
        _write(rig, target, offset, voted)
        moved += length
        if len(damage) < DAMAGE_KEPT:
            bits = sum((a ^ b).bit_count() for a, b in zip(copies[0], voted, strict=True))
            damage.append(Damage(offset, copies[0], voted, bits))
    rig.sync(target, frame, state_digest)
    return Resync(len(chunks), moved, full, tuple(damage))
