"""Probing: is there a board behind a port, and if not, what else?

All ports side by side, a thread each. A port is opened as a run would open it, at one rate after
the other, and its agent asked for a HELLO. Where an agent answers, or what arrives looks like the
remains of one, the line is tested (hil.rig.discovery.line_test); nothing else is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import HilError
from hil.kernel import WIRE_VERSION, Decoder, encode
from hil.rig.discovery.adapters import Adapter
from hil.rig.discovery.line_test import find_fault
from hil.rig.transport import PortError, SerialTransport, TransportLost
from hil.wire.decoding import hello
from hil.wire.messages import ANSWER, Hello, Msg

USUAL_BAUDS: Final = (115200, 921600, 1000000, 1500000, 3000000, 460800, 57600, 9600)
ASK_EVERY_US: Final = 150_000
_HEARD_MAX: Final = 4096
_THREADS: Final = 32


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a port came to. `hello` if an agent answered, at `baud`; else `why` (busy, permission,
    missing, silent, talks, line, version, other) and `reason` and `remedy` in words."""

    port: str
    adapter: Adapter | None
    baud: int = 0
    hello: Hello | None = None
    why: str = ""
    reason: str = ""
    remedy: str = ""

    @property
    def identity(self) -> str | None:
        return self.adapter.identity if self.adapter else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A port that may lead to a board; `baud` is the rate that it is said to have."""

    port: str
    adapter: Adapter | None = None
    baud: int | None = None


def has_rate(port: str) -> bool:
    """Whether the rate matters: not for sockets and ptys."""
    return not port.startswith(("socket://", "/dev/pts/"))


def probe_all(
    candidates: Sequence[Candidate],
    bauds: Sequence[int] = USUAL_BAUDS,
    wait_s: float = 0.6,
    on_done: Callable[[ProbeResult], None] = lambda _: None,
) -> list[ProbeResult]:
    """All of them, in their order; `on_done` hears of each as soon as it is known."""

    def one(candidate: Candidate) -> ProbeResult:
        done = probe(candidate, bauds, wait_s)
        on_done(done)
        return done

    if not candidates:
        return []
    with ThreadPoolExecutor(min(len(candidates), _THREADS), "hil probe") as pool:
        return list(pool.map(one, candidates))


def probe(candidate: Candidate, bauds: Sequence[int], wait_s: float) -> ProbeResult:
    """One port."""
    port, adapter = candidate.port, candidate.adapter
    if candidate.baud is not None:
        bauds = (candidate.baud, *(b for b in bauds if b != candidate.baud))
    heard = b""
    version = 0
    for baud in bauds if has_rate(port) else bauds[:1]:
        try:
            transport = SerialTransport(port, baud)
        except PortError as error:
            remedy = error.remedy or ""
            return ProbeResult(port, adapter, why=error.why, reason=error.message, remedy=remedy)
        try:
            told, said, other = _ask(transport, wait_s)
            fault = None
            # No console sends a zero, nor what an odd parity bit makes of it.
            if told is not None or ({0x00, 0x80} & set(said) and not other):
                fault = find_fault(transport)
        except TransportLost as lost:
            return ProbeResult(
                port, adapter, why="other", reason=str(lost), remedy="check the cable"
            )
        except HilError as error:
            return ProbeResult(port, adapter, why="other", reason=error.message)
        finally:
            transport.close()
        if fault is not None:
            what = "an agent" if told is None else told.board or f"a board ({told.arch})"
            return ProbeResult(
                port,
                adapter,
                why="line",
                reason=f"{what} answers there, but {fault.reason}",
                remedy=fault.remedy,
            )
        if told is not None:
            return ProbeResult(port, adapter, baud, told)
        heard, version = heard or said, version or other
    return _nobody(candidate, bauds, heard, version)


def _ask(
    transport: SerialTransport, wait_s: float, clock: Clock = HOST
) -> tuple[Hello | None, bytes, int]:
    """The HELLO if one comes; what was heard instead; the wire version if it is another."""
    decoder = Decoder()
    heard = bytearray()
    now = ask_at = clock.now_us()
    end = now + int(wait_s * 1e6)
    while now < end:
        if now >= ask_at:
            # A number that no HELLO had lately: the agent would repeat its old answer.
            transport.write(encode(Msg.HELLO, now % 0xFFFF + 1))
            ask_at = now + ASK_EVERY_US
        fds = [] if transport.fd is None else [transport.fd]
        clock.readable(fds, min(ask_at, end) - now)
        data = transport.read()
        heard += data[: _HEARD_MAX - len(heard)]
        frames, _ = decoder.push(data)
        for frame in frames:
            if frame.type == Msg.HELLO | ANSWER:
                return hello(frame.payload), bytes(heard), 0
        if decoder.peer_version not in {0, WIRE_VERSION}:
            return None, bytes(heard), decoder.peer_version
        now = clock.now_us()
    return None, bytes(heard), 0


def _nobody(candidate: Candidate, bauds: Sequence[int], heard: bytes, version: int) -> ProbeResult:
    port, adapter = candidate.port, candidate.adapter
    if version:
        return ProbeResult(
            port,
            adapter,
            why="version",
            reason=f"its agent speaks wire version {version}, this hil speaks {WIRE_VERSION}",
            remedy="install the same release of hil on the host and of hil-agent on the board",
        )
    rates = f" at {', '.join(map(str, bauds))} baud" if has_rate(port) else ""
    if heard:
        return ProbeResult(
            port,
            adapter,
            why="talks",
            reason=f"something talks there, but no agent{rates}: {_shown(heard)}",
            remedy="a login console? free the port on the board and start hil-agent on it",
        )
    return ProbeResult(
        port,
        adapter,
        why="silent",
        reason=f"nothing answers{rates}",
        remedy="is hil-agent running there, at a rate that was tried (--baud), with RX and TX "
        "crossed?",
    )


def _shown(heard: bytes) -> str:
    """The most readable line of what was heard."""
    lines = re.findall(rb"[ -~]{4,}", heard)
    if not lines:
        return f"{len(heard)} bytes that are no text"
    return repr(max(lines, key=len).decode("ascii").strip()[:60])
