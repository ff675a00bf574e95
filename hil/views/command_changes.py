"""Changes of command in a rig with a primary, as text."""

from __future__ import annotations

from hil.record.packed_frames import PackedFrames
from hil.record.reader import Reader

__all__ = ["CommandChanges"]


class CommandChanges:
    """The changes of command in the record of `reader`. Not thread-safe."""

    def __init__(self, reader: Reader) -> None:
        self._names = reader.node_names
        self._frames = PackedFrames(reader, len(self._names))

    def text(self, frame: int) -> str:
        """Return who takes the command over in a frame, or that nobody has it; empty where it
        remains."""
        now, before = self._primary(frame), self._primary(frame - 1)
        if now == before or (frame == 0 and now == 0):
            return ""
        return "nobody commands" if now is None else f"{self._names[now]} commands"

    def _primary(self, frame: int) -> int | None:
        verdict = self._frames.verdict(frame)
        return None if verdict is None else verdict.primary
