"""Delta resync: find where a node's state differs, vote those chunks bit by bit, send only them.

Differences are located by bisection over span digests (DIGEST_FANOUT a level, down to DIGEST_CHUNK
bytes), so that one flipped bit in 1 MiB costs a few hundred bytes on the wire instead of a
megabyte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.errors import NodeError
from hil.kernel import CHUNK, FANOUT, vote_bitwise
from hil.rig.calls import Call, ReadCall, WriteCall
from hil.rig.exchange import run_calls
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.wire import decoding, encoding
from hil.wire.messages import SPANS_MAX, Msg, Region

_FULL_COPY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Damage:
    """One chunk that differed: where, what was there, and the voted bytes."""

    offset: int
    found: bytes
    voted: bytes
    diff_bits: int


@dataclass(frozen=True, slots=True)
class Resync:
    """What a resync moved. `damage` has at most the first `DAMAGE_KEPT` chunks."""

    chunks: int
    bytes_moved: int
    full: bool
    damage: tuple[Damage, ...]


DAMAGE_KEPT = 16


def _span_digests(
    rig: Rig, nodes: Sequence[Node], span: int, first: int, count: int
) -> list[list[int]]:
    """The same span query to several nodes at once; one digest list per node."""
    out: list[list[int]] = [[] for _ in nodes]
    for at in range(first, first + count, SPANS_MAX):
        part = min(SPANS_MAX, first + count - at)
        payload = encoding.spans_request(Region.STATE, span, at, part)
        calls = [Call(n.link, rig.requests.next_seq(), Msg.SPANS, payload) for n in nodes]
        run_calls(calls, rig.requests.timing)
        for digests, node, call in zip(out, nodes, calls, strict=True):
            digests.extend(decoding.span_digests(rig.requests.expect(node, call)))
    return out


def locate(rig: Rig, target: Node, source: Node, state_len: int) -> list[int]:
    """Chunk numbers in which the states of two nodes differ, ascending."""
    span = CHUNK
    while span * FANOUT < state_len:
        span *= FANOUT
    differing = [0]
    scale = span * FANOUT  # what one entry of `differing` covers, in bytes
    while True:
        found: list[int] = []
        for group in differing:
            first = group * (scale // span)
            count = min(scale // span, -(-state_len // span) - first)
            bad, good = _span_digests(rig, [target, source], span, first, count)
            found += [first + i for i in range(count) if bad[i] != good[i]]
        differing, scale = found, span
        if span == CHUNK or not differing:
            return differing
        span //= FANOUT


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
    """Write the chunks in which `wanted` differs from `current`; returns the bytes moved."""
    moved = 0
    for offset in range(0, len(wanted), CHUNK):
        part = wanted[offset : offset + CHUNK]
        if part != current[offset : offset + CHUNK]:
            _write(rig, node, offset, part)
            moved += len(part)
    return moved


def write_output(rig: Rig, node: Node, content: bytes) -> None:
    """Put the output of an earlier frame in place: an upset may hit it before it is overwritten."""
    _write(rig, node, 0, content, Region.OUTPUT)


def read_state(rig: Rig, node: Node, state_len: int) -> bytes:
    """The whole state of a node."""
    return _read(rig, [node], 0, state_len)[0]


def read_output(rig: Rig, node: Node, output_len: int) -> bytes:
    """The output of a node's last frame."""
    return _read(rig, [node], 0, output_len, Region.OUTPUT)[0]


def delta_resync(
    rig: Rig, target: Node, sources: Sequence[Node], frame: int, state_digest: int, state_len: int
) -> Resync:
    """Make `target`'s state that of `sources`, who agreed on `state_digest` after `frame`.

    The board itself checks the digest at the end. Raises NodeError if it still differs (a cell that
    does not hold what is written), LinkTimeout if a node falls silent.
    """
    if not sources:
        raise NodeError(f"node {target.name}: nobody is left to resync from")
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
