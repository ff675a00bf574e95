"""One link: frames over a transport, with counters, and with link noise when an upset injects it.

Noise changes the encoded bytes on the line; its report contains the bytes before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hil.clock import HOST, Clock
from hil.kernel import Decoder, Frame, Outside, encode, may_be_frame
from hil.rig.link_state import LinkStatus
from hil.rig.transport import Transport, TransportLost
from hil.scenario.words import Direction, LinkNoiseKind
from hil.wire.messages import ANSWER, Hello, LinkState, Msg

ANSWER_OVERHEAD: Final = 11
"""Header, CRC, the first COBS code and the delimiters: a short answer's length on the wire."""


@dataclass(slots=True)
class LinkNoise:
    """A disturbance of the next STEP frame in one direction.

    `kind`: corrupt (flip bit `bit` modulo the frame's length in bits), drop, duplicate, truncate
    (cut at the byte with that bit). Once applied, `done` is set, `before` and `after` hold the
    original byte and what was sent instead, and `position` is the bit.
    """

    kind: LinkNoiseKind
    direction: Direction
    bit: int
    done: bool = False
    position: int = 0
    space: int = 0
    before: bytes = b""
    after: bytes = b""

    def apply(self, frame: bytes, nominal_len: int) -> bytes:
        """Return the bytes to send instead of `frame`. The position depends only on the nominal
        length [byte], so that it is the same on every board."""
        self.space = nominal_len * 8
        self.position = self.bit % self.space
        at = self.position // 8
        if at >= len(frame):  # another noise has truncated it
            return frame
        self.done = True
        self.before = frame[at : at + 1]
        if self.kind is LinkNoiseKind.CORRUPT:
            changed = frame[at] ^ (1 << self.position % 8)
            self.after = bytes([changed])
            return frame[:at] + self.after + frame[at + 1 :]
        if self.kind is LinkNoiseKind.TRUNCATE:
            return frame[:at]
        if self.kind is LinkNoiseKind.DUPLICATE:
            self.after = self.before * 2
            return frame + frame
        return b""


@dataclass(slots=True)
class LinkStatistics:
    """Counters of one link since the run began."""

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
    """Bytes outside frames before the agent's HELLO: console output of a board that boots."""

    rate_raises: int = 0
    rate_falls: int = 0
    """How often the line's rate was raised, and had to be lowered again (hil.rig.line_rate)."""


@dataclass(slots=True)
class Link:
    """Sends frames to one board and receives its frames. `name` is the node's; `boot_id` that of
    the agent's last known start; `status` the state of the connection; `round_trip_us` the time
    from the last answered request to its answer. Not thread-safe."""

    name: str
    transport: Transport | None = None
    statistics: LinkStatistics = field(default_factory=LinkStatistics)
    decoder: Decoder = field(default_factory=Decoder)
    noises: list[LinkNoise] = field(default_factory=list)
    status: LinkStatus = field(init=False)
    boot_id: int | None = None
    silence: str = "not connected"
    """Why the board last counted as silent."""
    unanswered_since_us: int = 0
    """Since when requests have had no answer, on the host's clock; 0: the last call had one."""
    round_trip_us: int | None = None
    clock: Clock = field(default=HOST, repr=False, compare=False)
    """The clock on which calls over this link wait and its events are dated."""
    outside: Outside | None = field(default=None, repr=False, compare=False)
    """Gets the bytes outside frames (hil.rig.console)."""
    _held: bytes = b""

    def __post_init__(self) -> None:
        self.status = LinkStatus(self.name, clock=self.clock)
        if self.transport is not None:
            self.status.enter(LinkState.CONNECTING, "port open")

    @property
    def lost_reason(self) -> str:
        """Return why the link is in its present state."""
        return self.status.reason

    def attach(self, transport: Transport, decoder: Decoder | None = None) -> None:
        """Use a new transport, with a fresh decoder or with the one that has read from it so
        far."""
        self.detach("reconnecting")
        self.transport = transport
        self.decoder = decoder or Decoder(self.outside)
        self.unanswered_since_us = 0
        self._held = b""
        self.status.enter(LinkState.CONNECTING, "port open")

    def on_hello(self, hello: Hello) -> None:
        """Take a HELLO: the link is connected."""
        self.boot_id = hello.boot_id
        if self.status.state is not LinkState.CONNECTED:
            self.statistics.reconnects += self.status.counts[LinkState.CONNECTED] > 0
            self.status.enter(LinkState.CONNECTED, f"{hello.board or hello.arch} answers")

    def detach(self, reason: str) -> None:
        """Close the transport; the link is lost for this reason. Idempotent."""
        if self.transport is not None:
            self._end_reading()
            self.transport.close()
            self.status.enter(LinkState.LOST, reason)
        self.transport = None

    def release(self, reason: str) -> Transport | None:
        """Detach the transport without closing it, and return it; None if there is none."""
        transport, self.transport = self.transport, None
        if transport is not None:
            self._end_reading()
            self.status.enter(LinkState.LOST, reason)
        return transport

    def _end_reading(self) -> None:
        """Pass on what has arrived of a frame that will not be completed."""
        held, self._held = self._held, b""
        self.decoder.push(held)
        self.decoder.flush()

    @property
    def connected(self) -> bool:
        """Return whether there is an open transport to the board."""
        return self.transport is not None

    def send(self, data: bytes, type_: int) -> None:
        """Send one encoded frame. A lost transport is detached; nothing is raised."""
        if self.transport is None:
            return
        if self.noises and type_ == Msg.STEP:
            nominal_len = len(data)
            for noise in self._waiting(Direction.TO_BOARD):
                data = noise.apply(data, nominal_len)
        self.statistics.tx_frames += 1
        self.statistics.tx_bytes += len(data)
        try:
            self.transport.write(data)
        except TransportLost as lost:
            self.detach(str(lost))

    def receive(self) -> tuple[list[Frame], int]:
        """Return the frames that have arrived, and the decoder's status of a bad frame (0: none).
        A lost transport is detached; nothing is raised."""
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
        if self.noises and self._waiting(Direction.TO_HOST):
            data = self._disturb(data)
        frames, bad = self.decoder.push(data)
        self.statistics.rx_frames += len(frames)
        if self.status.state is not LinkState.CONNECTED:
            self.statistics.chatter_bytes += 0 if frames else len(data)
        elif bad:
            self.statistics.rx_errors += 1
        return frames, bad

    def _disturb(self, data: bytes) -> bytes:
        """Hold bytes back until a whole STEP answer has arrived, then apply the noise to it."""
        self._held += data
        out = b""
        while (end := self._held.find(b"\0")) >= 0:
            frame, self._held = self._held[: end + 1], self._held[end + 1 :]
            good, _ = Decoder().push(frame)
            if any(f.type == Msg.STEP | ANSWER for f in good):
                frame = b"\0" + frame  # its own first delimiter has passed already
                for noise in self._waiting(Direction.TO_HOST):
                    frame = noise.apply(frame, len(good[0].payload) + ANSWER_OVERHEAD)
                out, self._held = out + frame + self._held, b""
                break
            out += frame
        if not may_be_frame(self._held):
            out, self._held = out + self._held, b""
        return out

    def _waiting(self, direction: Direction) -> list[LinkNoise]:
        return [n for n in self.noises if n.direction is direction and not n.done]


def request_bytes(type_: int, seq: int, payload: bytes = b"") -> bytes:
    """Encode one request as a frame."""
    return encode(type_, seq, payload)
