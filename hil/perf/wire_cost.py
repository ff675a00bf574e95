"""Cost of the wire: overhead of messages, bulk transfers, latency of frames, and delta resync."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from typing import Final

from hil.kernel import PAYLOAD_MAX, Golden, Random, encode
from hil.perf.echo import echoes
from hil.perf.pacing import BITS_PER_BYTE, PacedLines, PacedTransport
from hil.perf.row import PerfRow, Reference, make_row
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.calls import Call, ReadCall, Timing, WriteCall
from hil.rig.exchange import run_calls
from hil.rig.node import DONE, Node
from hil.rig.resync import delta_resync
from hil.rig.rig import Rig
from hil.wire import encoding
from hil.wire.messages import DATA_MAX, Msg, Region

_SEED: Final = 1
_PATIENT: Final = Timing(retry_us=60_000_000, lost_after_us=120_000_000)


class PacedBoard(ProcessBoard):
    """A process board behind a paced line of `baud`."""

    def __init__(self, name: str, lines: PacedLines, baud: int) -> None:
        super().__init__(name, find_agent())
        self._lines = lines
        self._baud = baud
        self.line: PacedTransport | None = None

    def connect(self) -> PacedTransport:  # type: ignore[override]  # a transport like any other
        self.line = self._lines.add(super().connect(), self._baud)
        return self.line


@contextlib.contextmanager
def _paced_rig(count: int, baud: int, workload: str) -> Iterator[tuple[Rig, list[PacedBoard]]]:
    """Open a rig of `count` process boards behind lines of `baud`, with the workload loaded."""
    lines = PacedLines()
    boards = [PacedBoard(f"n{i}", lines, baud) for i in range(count)]
    rig = Rig([Node(b.name, i, b) for i, b in enumerate(boards)], workload, _SEED, _PATIENT)
    try:
        rig.open()
        for node in rig.nodes:
            rig.load(node)
        yield rig, boards
    finally:
        rig.close()


def overhead(_quick: bool) -> Iterator[PerfRow]:
    """Measure the most bytes that a frame adds to its payload, over payloads of every length."""
    noise = Random(_SEED, 0)
    most = at = 0
    for length in range(PAYLOAD_MAX + 1):
        random = b"".join(noise.bits64().to_bytes(8, "little") for _ in range(length // 8 + 1))
        for payload in (b"\x01" * length, b"\xff" * length, bytes(length), random[:length]):
            for seq in (0x0101, 0x0100, 0):  # with and without zeros that end a COBS block
                extra = len(encode(0x7D, seq, payload)) - length
                if extra > most:
                    most, at = extra, length
    yield make_row(
        "wire overhead, worst message",
        most,
        "byte",
        target="<= 16 byte",
        ok=most <= 16,
        reference=Reference("no framing at all"),
        note=f"payloads of 0 to {PAYLOAD_MAX} bytes; first at {at}",
    )


def bulk(quick: bool) -> Iterator[PerfRow]:
    """Measure the bytes per second of READ and WRITE transfers, as a share of the line rate."""
    for baud, kib in ((115_200, 16 if quick else 64), (3_000_000, 256 if quick else 1024)):
        size, rate = kib << 10, baud / BITS_PER_BYTE
        content = bytes(range(256)) * (size // 256)
        with _paced_rig(1, baud, "archive") as (rig, boards):
            node, line = rig.nodes[0], boards[0].line
            assert line is not None
            for name in ("READ", "WRITE"):
                before = (line.to_board.bytes, line.to_host.bytes)
                seq = rig.requests.reserve_seqs(4 + 2 * (size // DATA_MAX))
                call: Call = (
                    ReadCall(node.link, seq, Region.STATE, 0, size)
                    if name == "READ"
                    else WriteCall(node.link, seq, Region.STATE, 0, content)
                )
                began = time.perf_counter()
                run_calls([call], rig.requests.timing)
                taken_s = time.perf_counter() - began
                rig.requests.expect(node, call)
                there = line.to_board.bytes - before[0]
                back = line.to_host.bytes - before[1]
                value = size / taken_s
                yield make_row(
                    f"bulk {name} at {baud} baud",
                    value,
                    "byte/s",
                    target=">= 0.95 x line rate",
                    ok=value / rate >= 0.95,
                    reference=Reference("line rate, 10 bits a byte", rate, computed=True),
                    note=f"{kib} KiB: {there} bytes to the board, {back} back",
                )


def _echo_extra_us(lines: PacedLines, some: list[PacedTransport], baud: int, size: int) -> float:
    """Return how long echoes over the same lines take beyond their wire time [us]: the share of the
    operating system."""
    began = time.perf_counter()
    missing = dict.fromkeys(some, size)
    for line in some:
        line.write(b"\x55" * size)
    for line in some:
        while missing[line]:
            missing[line] -= len(lines.wait_for(line))
    return (time.perf_counter() - began - 2 * size * BITS_PER_BYTE / baud) * 1e6


def _frame_extra_us(rig: Rig, boards: list[PacedBoard], golden: Golden) -> tuple[float, float]:
    """Run one frame; return how long it takes beyond its wire time, and the wire time [us]."""
    golden.step()
    lines = [b.line for b in boards if b.line]
    before = [line.to_board.bytes + line.to_host.bytes for line in lines]
    began = time.perf_counter()
    results = rig.step(rig.nodes, golden.next_frame - 1, golden.input)
    taken_us = (time.perf_counter() - began) * 1e6
    assert all(r.status == DONE for r in results.values()), "a fault-free frame"
    after = [line.to_board.bytes + line.to_host.bytes for line in lines]
    wire = max(b - a for a, b in zip(before, after, strict=True))
    wire_us = wire * BITS_PER_BYTE / lines[0].baud * 1e6
    return taken_us - wire_us, wire_us


def latency(quick: bool) -> Iterator[PerfRow]:
    """Measure how long a frame of three nodes takes beyond the wire time of its bytes."""
    for baud, frames in ((115_200, 150 if quick else 500), (3_000_000, 1000 if quick else 4000)):
        lines = PacedLines()
        with _paced_rig(3, baud, "attitude") as (rig, boards), echoes(3) as bare:
            some = [lines.add(echo, baud) for echo in bare]
            golden = Golden(rig.setup.workload, rig.setup.seed)
            extra_us: list[float] = []
            bare_us: list[float] = []
            wire_us = 0.0
            for _ in range(frames):
                extra, wire_us = _frame_extra_us(rig, boards, golden)
                extra_us.append(extra)
                bare_us.append(_echo_extra_us(lines, some, baud, 90))
            p99, bare99 = (sorted(x)[int(frames * 0.99)] / 1e3 for x in (extra_us, bare_us))
            yield make_row(
                f"frame latency at {baud} baud beyond wire time, p99",
                p99,
                "ms",
                target="<= 0.3 ms",
                ok=p99 <= 0.3,
                reference=Reference("three bare echoes over such lines", bare99),
                note=f"{frames} frames of {wire_us / 1e3:.2f} ms wire time; medians "
                f"{statistics.median(extra_us) / 1e3:.3f} and "
                f"{statistics.median(bare_us) / 1e3:.3f} ms",
            )


def resync(_quick: bool) -> Iterator[PerfRow]:
    """Measure the delta resync of 1 MiB with one flipped bit, three nodes at 115200 baud."""
    baud = 115_200
    with _paced_rig(3, baud, "archive") as (rig, boards):
        golden = Golden(rig.setup.workload, rig.setup.seed)
        golden.step()
        results = rig.step(rig.nodes, 0, golden.input)
        assert all(r.state_digest == golden.state_digest for r in results.values())
        size = golden.workload.state_len
        target, sources = rig.nodes[0], rig.nodes[1:]
        offset = size * 2 // 3
        wrong = bytes([golden.state[offset] ^ 0x10])
        flip = encoding.write_request(Region.STATE, offset, wrong)
        rig.requests.ask(target, Msg.WRITE, flip)
        before = sum(b.line.to_board.bytes + b.line.to_host.bytes for b in boards if b.line)
        began = time.perf_counter()
        done = delta_resync(rig, target, sources, 0, golden.state_digest, size)
        taken_s = time.perf_counter() - began
        moved = sum(b.line.to_board.bytes + b.line.to_host.bytes for b in boards if b.line) - before
        assert [d.diff_bits for d in done.damage] == [1], "the flipped bit was found"
        full = size * BITS_PER_BYTE / baud
        yield make_row(
            "delta resync, 1 MiB, one flipped bit, 115200 baud",
            taken_s,
            "s",
            target="< 0.5 s",
            ok=taken_s < 0.5,
            reference=Reference("full copy, bytes over line rate", full, computed=True),
            note=f"{done.chunks} chunk repaired, {moved} bytes on three lines; the board confirms "
            "it",
        )
