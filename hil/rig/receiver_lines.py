"""The lines to several receivers of one reply: each gets a copy of its own, and a fault may hit the
copies of some receivers only. The bytes on that line are changed, and decoded by its receiver.

A reply that no fault touches reaches all receivers as it arrived. Replies are numbered by frame, so
that a receiver drops a copy that comes too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hil.kernel import Decoder
from hil.rig.link import ANSWER_OVERHEAD, LinkNoise, request_bytes
from hil.scenario.words import Direction, LinkNoiseKind
from hil.wire import encoding
from hil.wire.messages import ANSWER, Msg

__all__ = ["Change", "CopyFault", "ReceiverLines"]

_REPLY: Final = Msg.STEP | ANSWER


class Change(NamedTuple):
    """The result of a fault for one copy: the bytes on the line now, those that come with the next
    frame, and where it hit, as `hil.upsets.upset.InjectionReport` has it."""

    now: bytes
    later: bytes
    position: int
    space: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class CopyFault:
    """A fault of the lines from `sender` to the receivers at the nodes `to`, from frame `first` on,
    for `frames` frames (0: permanently). With `passes_on` it hits what `sender` passes on of the
    reply of that node, else its own reply. `kind` and `bit` are those of
    `hil.rig.link.LinkNoise`, or an altered value, whose bits are those of the output."""

    id: int
    kind: LinkNoiseKind
    sender: str
    to: frozenset[str]
    bit: int
    first: int
    frames: int
    passes_on: str | None = None

    def is_over(self, frame: int) -> bool:
        """Return whether it no longer acts in `frame`."""
        return bool(self.frames) and frame >= self.first + self.frames

    def change(self, payload: bytes, seq: int) -> Change:
        """Return what it makes of a copy of a reply. Raises: KernelError if it is not one."""
        line = request_bytes(_REPLY, seq, payload)
        if self.kind is LinkNoiseKind.ALTER:
            altered = encoding.altered_reply(payload, self.bit)
            now = request_bytes(_REPLY, seq, altered.payload)
            return Change(now, b"", altered.bit, altered.space, altered.before, altered.after)
        if self.kind is LinkNoiseKind.DELAY:
            return Change(b"", line, 0, 0, b"", b"")
        noise = LinkNoise(self.kind, Direction.TO_HOST, self.bit)
        now = noise.apply(line, len(payload) + ANSWER_OVERHEAD)
        return Change(now, b"", noise.position, noise.space, noise.before, noise.after)


@dataclass(slots=True)
class ReceiverLines:
    """All lines between nodes and the receivers at other nodes, with their faults. Not
    thread-safe. `receives`: whether a receiver, which is named, takes replies now."""

    receives: Callable[[str], bool] = lambda _name: True
    _faults: list[CopyFault] = field(default_factory=list)
    _late: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def add(self, fault: CopyFault) -> None:
        """Let a fault act from its first frame on."""
        self._faults.append(fault)

    def fault(self, id_: int) -> CopyFault | None:
        """Return the fault of an upset, while it acts."""
        return next((f for f in self._faults if f.id == id_), None)

    def drop(self, id_: int) -> None:
        """End the fault of an upset."""
        self._faults = [f for f in self._faults if f.id != id_]

    def is_disturbed(self, frame: int) -> bool:
        """Return whether some copy of `frame` may not be what was sent. Faults that are over
        end."""
        self._faults = [f for f in self._faults if not f.is_over(frame)]
        return bool(self._faults or self._late)

    def hits(self, node: str, frame: int) -> bool:
        """Return whether a fault of the lines from `node` acts also after `frame`."""
        return any(f.sender == node and not f.is_over(frame + 1) for f in self._faults)

    def copy(
        self, frame: int, sender: str, receiver: str, payload: bytes, relay: str | None = None
    ) -> bytes | None:
        """Return the copy of a reply that a receiver decodes in `frame`, None if it gets none.
        `relay`: the node whose voter passes on the reply of `sender`. Of several faults of one line
        the last one acts."""
        line = (sender, receiver, relay or "")
        source, passes_on = (sender, None) if relay is None else (relay, sender)
        late = self._late.pop(line, b"")
        fault: CopyFault | None = None
        for each in self._faults:
            if each.sender == source and each.passes_on == passes_on and receiver in each.to:
                fault = each
        if fault is None and not late:
            return payload
        seq = frame & 0xFFFF
        now = request_bytes(_REPLY, seq, payload)
        if fault is not None:
            change = fault.change(payload, seq)
            now = change.now
            if change.later:
                self._late[line] = change.later
        frames, _ = Decoder().push(late + now)
        replies = [f.payload for f in frames if f.type == _REPLY and f.seq == seq]
        return replies[0] if replies else None
