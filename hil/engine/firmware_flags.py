"""Notes on throttling and under-voltage that the firmware of boards reports, each once in a run."""

from __future__ import annotations

from hil.wire.throttling import UNDER_VOLTAGE, flag_words, flags_now, flags_since_boot

__all__ = ["FirmwareFlags"]


class FirmwareFlags:
    """Compares each reading of a node with the one before it. Not thread-safe."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}  # by node: uptime in us, flags since boot
        self._noted: dict[str, int] = {}  # by node: flags that have their note

    def notes(self, node: str, raw: int | None, uptime_us: int) -> list[str]:
        """Return the notes on what is new in this reading of a node. `raw` has the bits of
        `vcgencmd get_throttled`; it is None for boards without them."""
        if raw is None:
            return []
        now, since = flags_now(raw) or 0, flags_since_boot(raw) or 0
        uptime, before = self._before.get(node, (0, since))
        if uptime_us < uptime:  # it has booted, or its agent started: earlier flags are not known
            before = since
        self._before[node] = uptime_us, since
        noted = self._noted.get(node, 0)
        present = now & ~noted
        passed = since & ~before & ~now & ~noted
        self._noted[node] = noted | present | passed
        notes = []
        if present:
            notes.append(f"node {node}: its firmware reports {flag_words(present)}")
        if passed:
            notes.append(f"node {node}: {flag_words(passed)} between two readings")
        if (present | passed) & UNDER_VOLTAGE:
            notes[-1 if passed & UNDER_VOLTAGE else 0] += "; check its supply and cable"
        return notes
