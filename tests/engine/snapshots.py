"""Runs that can be taken up again from any frame."""

from __future__ import annotations

from hil.engine.loop import Loop

__all__ = ["snapshot_every_frame"]


def snapshot_every_frame(loop: Loop) -> None:
    """Let `loop` take a snapshot wherever there can be one, whatever time it is."""
    original = loop._between_frames

    def between_frames(computed: bool) -> None:
        loop._due.snapshot_us = 0
        original(computed)

    loop._between_frames = between_frames  # type: ignore[method-assign]
