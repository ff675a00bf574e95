"""Probing: whether a port leads to a board, and if not, why.

All ports are probed in parallel, with a thread each. A port is opened as a run would open it, at
one rate after the other, and its agent is sent a HELLO. Where an agent answers, or the bytes look
like a damaged answer, the line is tested (hil.rig.discovery.line_test); nothing else is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import HilError, SetupError
from hil.kernel import WIRE_VERSION, Decoder, encode
from hil.rig.discovery.adapters import Adapter
from hil.rig.discovery.line_test import find_fault
from hil.rig.tcp_transport import open_port
from hil.rig.transport import PortError, PortFault, Transport, TransportLost
from hil.wire.decoding import hello
from hil.wire.messages import ANSWER, Hello, Msg

USUAL_BAUDS: Final = (115200, 921600, 1000000, 1500000, 3000000, 460800, 57600, 9600)
ASK_EVERY_US: Final = 150_000
_RECEIVED_MAX: Final = 4096
_THREADS: Final = 32
_TEXT: Final = re.compile(rb"[ -~]{4,}")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of probing one port. `hello` if an agent answered, at `baud` [bit/s]; else `why`,
    `reason` and `remedy`."""

    port: str
    adapter: Adapter | None
    baud: int = 0
    hello: Hello | None = None
    why: PortFault = PortFault.NONE
    reason: str = ""
    remedy: str = ""

    @property
    def identity(self) -> str | None:
        """Return the identity of the adapter; None if it has none."""
        return self.adapter.identity if self.adapter else None


@dataclass(slots=True)
class _Reception:
    """The bytes that arrived at one rate: the HELLO of an agent, the bytes, the other wire version
    that an agent speaks (0: none), and what was sent."""

    hello: Hello | None = None
    received: bytearray = field(default_factory=bytearray)
    version: int = 0
    sent: list[bytes] = field(default_factory=list)

    @property
    def is_echo(self) -> bool:
        """Return whether the bytes that were sent came back, and no text that a console would
        print."""
        others = bytes(self.received)
        for request in self.sent:
            others = others.replace(request, b"")
        return len(others) < len(self.received) and not _TEXT.search(others)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A port that may lead to a board; `baud` is the rate that the bench file names [bit/s], and
    `token_file` the file with the token of its agent."""

    port: str
    adapter: Adapter | None = None
    baud: int | None = None
    token_file: str | None = None


def has_rate(port: str) -> bool:
    """Return whether the port has a line rate, which sockets and ptys have not."""
    return not port.startswith(("socket://", "tcp://", "/dev/pts/"))


def probe_all(
    candidates: Sequence[Candidate],
    bauds: Sequence[int] = USUAL_BAUDS,
    wait_s: float = 0.6,
    on_done: Callable[[ProbeResult], None] = lambda _: None,
) -> list[ProbeResult]:
    """Probe all candidates in parallel, and return the results in their order.

    `on_done` is called with each result as soon as it is known, from the thread of its port.
    `wait_s`: how long to wait for an answer at each rate [s]."""

    def one(candidate: Candidate) -> ProbeResult:
        done = probe(candidate, bauds, wait_s)
        on_done(done)
        return done

    if not candidates:
        return []
    with ThreadPoolExecutor(min(len(candidates), _THREADS), "hil probe") as pool:
        return list(pool.map(one, candidates))


def probe(candidate: Candidate, bauds: Sequence[int], wait_s: float) -> ProbeResult:
    """Probe one port at the rates `bauds`, its own first. Raises nothing for a port that fails."""
    port, adapter = candidate.port, candidate.adapter
    if candidate.baud is not None:
        bauds = (candidate.baud, *(b for b in bauds if b != candidate.baud))
    first = _Reception()
    for baud in bauds if has_rate(port) else bauds[:1]:
        try:
            transport = open_port(port, baud, candidate.token_file)
        except SetupError as error:
            why = error.why if isinstance(error, PortError) else PortFault.OTHER
            remedy = error.remedy or ""
            return ProbeResult(port, adapter, why=why, reason=error.message, remedy=remedy)
        try:
            reception = _ask(transport, wait_s)
            fault, answer = None, reception.hello
            if answer is None and reception.is_echo:
                return _echo(candidate)
            # No console sends a zero byte, with or without an odd parity bit.
            if answer is not None or (
                {0x00, 0x80} & set(reception.received) and not reception.version
            ):
                fault = find_fault(transport)
        except TransportLost as lost:
            return ProbeResult(
                port, adapter, why=PortFault.OTHER, reason=str(lost), remedy="check the cable"
            )
        except HilError as error:
            return ProbeResult(port, adapter, why=PortFault.OTHER, reason=error.message)
        finally:
            transport.close()
        if fault is not None:
            what = "an agent" if answer is None else answer.board or f"a board ({answer.arch})"
            return ProbeResult(
                port,
                adapter,
                why=PortFault.LINE,
                reason=f"{what} answers there, but {fault.reason}",
                remedy=fault.remedy,
            )
        if answer is not None:
            return ProbeResult(port, adapter, baud, answer)
        first.received = first.received or reception.received
        first.version = first.version or reception.version
    return _without_agent(candidate, bauds, bytes(first.received), first.version)


def _ask(transport: Transport, wait_s: float, clock: Clock = HOST) -> _Reception:
    """Send HELLO until an agent answers or `wait_s` have passed; return what arrived."""
    decoder, reception = Decoder(), _Reception()
    now = ask_at = clock.now_us()
    end = now + int(wait_s * 1e6)
    while now < end:
        if now >= ask_at:
            # A sequence number that was not used lately: the agent repeats its answer to one that
            # it knows.
            reception.sent.append(encode(Msg.HELLO, now % 0xFFFF + 1))
            transport.write(reception.sent[-1])
            ask_at = now + ASK_EVERY_US
        fds = [] if transport.fd is None else [transport.fd]
        clock.readable(fds, min(ask_at, end) - now)
        data = transport.read()
        reception.received += data[: _RECEIVED_MAX - len(reception.received)]
        frames, _ = decoder.push(data)
        for frame in frames:
            if frame.type == Msg.HELLO | ANSWER:
                reception.hello = hello(frame.payload)
                return reception
        if decoder.peer_version not in {0, WIRE_VERSION}:
            reception.version = decoder.peer_version
            return reception
        now = clock.now_us()
    return reception


def _echo(candidate: Candidate) -> ProbeResult:
    return ProbeResult(
        candidate.port,
        candidate.adapter,
        why=PortFault.ECHO,
        reason="the bytes that are sent come back: TX of the adapter leads to its own RX",
        remedy="connect TX of the adapter to RX of the board, and RX of the adapter to TX of the "
        "board",
    )


def _without_agent(
    candidate: Candidate, bauds: Sequence[int], received: bytes, version: int
) -> ProbeResult:
    port, adapter = candidate.port, candidate.adapter
    if version:
        return ProbeResult(
            port,
            adapter,
            why=PortFault.VERSION,
            reason=f"its agent speaks wire version {version}, this hil speaks {WIRE_VERSION}",
            remedy="install the same release of hil on the host and of hil-agent on the board",
        )
    rates = f" at {', '.join(map(str, bauds))} baud" if has_rate(port) else ""
    if received:
        return ProbeResult(
            port,
            adapter,
            why=PortFault.TALKS,
            reason=f"something talks there, but no agent{rates}: {_shown(received)}",
            remedy="a login console? free the port on the board and start hil-agent on it",
        )
    return ProbeResult(
        port,
        adapter,
        why=PortFault.SILENT,
        reason=f"nothing answers{rates}",
        remedy="is hil-agent running there, at a rate that was tried (--baud), with RX and TX "
        "crossed?",
    )


def _shown(received: bytes) -> str:
    """Return the longest printable line of the received bytes, for a message."""
    lines = _TEXT.findall(received)
    if not lines:
        return f"{len(received)} bytes that are not text"
    return repr(max(lines, key=len).decode("ascii").strip()[:60])
