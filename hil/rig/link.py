"""One link: frames over a transport, with counters, and with noise when an upset asks for it.

Noise works on the encoded bytes that really travel; what it did is told as before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hil.clock import HOST, Clock
from hil.kernel import Decoder, Frame, encode
from hil.rig.link_state import LinkState, Standing
from hil.rig.transport import Transport, TransportLost
from hil.wire.messages import ANSWER, Hello, Msg

ANSWER_OVERHEAD: Final = 11
"""Header, CRC, the first COBS code and the delimiters: a short answer's length on the wire."""


@dataclass(slots=True)
class LinkNoise:
    """A disturbance of the next STEP frame in one direction.

    `kind`: corrupt (flip bit `bit` modulo the frame's bits), drop, duplicate, truncate (cut at that
    bit's byte). After it happened: `done`, `before` and `after` hold the byte that was hit and what
    travelled instead, `position` its bit.
    """

    kind: str
    direction: str
    bit: int
    done: bool = False
    position: int = 0
    space: int = 0
    before: bytes = b""
    after: bytes = b""

    def apply(self, frame: bytes, nominal_len: int) -> bytes:
        """What travels instead of `frame`. The position depends on the nominal length only, so that
        it is the same on every board."""
        self.space = nominal_len * 8
        self.position = self.bit % self.space
        at = self.position // 8
        if at >= len(frame):  # another noise has cut it off
            return frame
        self.done = True
        self.before = frame[at : at + 1]
        if self.kind == "corrupt":
            changed = frame[at] ^ (1 << self.position % 8)
            self.after = bytes([changed])
            return frame[:at] + self.after + frame[at + 1 :]
        if self.kind == "truncate":
            return frame[:at]
        if self.kind == "duplicate":
            self.after = self.before * 2
            return frame + frame
        return b""


@dataclass(slots=True)
class LinkStatistics:
    """What the host did on this link since the run began."""

    tx_frames: int = 0
    tx_bytes: int = 0
    rx_frames: int = 0
    rx_bytes: int = 0
    rx_errors: int = 0
    naks: int = 0
    retries: int = 0
    stale: int = 0
    reconnects: int = 0
    chatter_bytes: int = 0
    """Came before the agent said who it is, and was no frame: a board that boots."""

    rate_raises: int = 0
    rate_falls: int = 0
    """How often the line's rate was raised, and had to be lowered (hil.rig.line_rate)."""


@dataclass(slots=True)
class Link:
    """Frames to and from one board. `name` is the node's; `boot_id` that of the agent's last
    start that we know of, `standing` what has become of the connection, `round_trip_us` what the
    last answer took from the request to its arrival."""

    name: str
    transport: Transport | None = None
    statistics: LinkStatistics = field(default_factory=LinkStatistics)
    decoder: Decoder = field(default_factory=Decoder)
    noises: list[LinkNoise] = field(default_factory=list)
    standing: Standing = field(init=False)
    boot_id: int | None = None
    silence: str = "not connected"
    """Why it was last called silent."""
    unheard_from_us: int = 0
    """Since when it was asked in vain, on the host's clock; 0: the last call had an answer."""
    round_trip_us: int | None = None
    clock: Clock = field(default=HOST, repr=False, compare=False)
    """On which calls over this link wait, and its events are dated."""
    _held: bytes = b""

    def __post_init__(self) -> None:
        self.standing = Standing(self.name, clock=self.clock)
        if self.transport is not None:
            self.standing.become(LinkState.CONNECTING, "port open")

    @property
    def lost_reason(self) -> str:
        return self.standing.reason

    def attach(self, transport: Transport, decoder: Decoder | None = None) -> None:
        """Use a new transport, with a fresh decoder or the one that has read from it so far."""
        self.detach("reconnecting")
        self.transport = transport
        self.decoder = decoder or Decoder()
        self.unheard_from_us = 0
        self._held = b""
        self.standing.become(LinkState.CONNECTING, "port open")

    def greeted(self, hello: Hello) -> None:
        """The agent has said who it is."""
        self.boot_id = hello.boot_id
        if self.standing.state is not LinkState.CONNECTED:
            self.statistics.reconnects += self.standing.counts[LinkState.CONNECTED] > 0
            self.standing.become(LinkState.CONNECTED, f"{hello.board or hello.arch} answers")

    def detach(self, reason: str) -> None:
        if self.transport is not None:
            self.transport.close()
            self.standing.become(LinkState.LOST, reason)
        self.transport = None

    def release(self, reason: str) -> Transport | None:
        """Give the transport away, open as it is; None if there is none."""
        transport, self.transport = self.transport, None
        if transport is not None:
            self.standing.become(LinkState.LOST, reason)
        return transport

    @property
    def connected(self) -> bool:
        return self.transport is not None

    def send(self, data: bytes, type_: int) -> None:
        """Send one encoded frame; a lost transport is detached, and nothing raised."""
        if self.transport is None:
            return
        if self.noises and type_ == Msg.STEP:
            nominal_len = len(data)
            for noise in self._waiting("to_board"):
                data = noise.apply(data, nominal_len)
        self.statistics.tx_frames += 1
        self.statistics.tx_bytes += len(data)
        try:
            self.transport.write(data)
        except TransportLost as lost:
            self.detach(str(lost))

    def receive(self) -> tuple[list[Frame], int]:
        """Frames that have arrived, and the decoder's status of a bad one (0: none)."""
        if self.transport is None:
            return [], 0
        try:
            data = self.transport.read()
        except TransportLost as lost:
            self.detach(str(lost))
            return [], 0
        if not data:
            return [], 0
        self.statistics.rx_bytes += len(data)
        if self.noises and self._waiting("to_host"):
            data = self._disturb(data)
        frames, bad = self.decoder.push(data)
        self.statistics.rx_frames += len(frames)
        if self.standing.state is not LinkState.CONNECTED:
            self.statistics.chatter_bytes += 0 if frames else len(data)
        elif bad:
            self.statistics.rx_errors += 1
        return frames, bad

    def _disturb(self, data: bytes) -> bytes:
        """Hold bytes back until a whole STEP answer is there, then let the noise have it."""
        self._held += data
        out = b""
        while (end := self._held.find(b"\0")) >= 0:
            frame, self._held = self._held[: end + 1], self._held[end + 1 :]
            good, _ = Decoder().push(frame)
            if any(f.type == Msg.STEP | ANSWER for f in good):
                frame = b"\0" + frame  # its own first delimiter has passed already
                for noise in self._waiting("to_host"):
                    frame = noise.apply(frame, len(good[0].payload) + ANSWER_OVERHEAD)
                out, self._held = out + frame + self._held, b""
                break
            out += frame
        return out

    def _waiting(self, direction: str) -> list[LinkNoise]:
        return [n for n in self.noises if n.direction == direction and not n.done]


def request_bytes(type_: int, seq: int, payload: bytes = b"") -> bytes:
    """One encoded request."""
    return encode(type_, seq, payload)
