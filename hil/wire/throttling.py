"""The throttling flags of a Raspberry Pi's firmware: what is so now, and what was since its boot.

The flags are those of `vcgencmd get_throttled`: bits 0 to 3 say what is so now, bits 16 to 19 that
it was so at some moment since the board booted. The second kind never goes away before the next
boot, so it is never taken for the state of the board."""

from __future__ import annotations

from typing import Final

__all__ = ["ALL_FLAGS", "FLAGS", "UNDER_VOLTAGE", "flag_words", "flags_now", "flags_since_boot"]

UNDER_VOLTAGE: Final = 1
_SINCE_BOOT_SHIFT: Final = 16
_WORDS: Final = (
    (UNDER_VOLTAGE, "under-voltage"),
    (2, "clock capped"),
    (4, "throttled"),
    (8, "soft temperature limit"),
)
FLAGS: Final = tuple(bit for bit, _ in _WORDS)
ALL_FLAGS: Final = sum(FLAGS)


def flags_now(raw: int | None) -> int | None:
    """Return the flags of this moment; None if the board has none."""
    return None if raw is None else raw & ALL_FLAGS


def flags_since_boot(raw: int | None) -> int | None:
    """Return the flags of what was so since the board booted, moved to bits 0 to 3."""
    return None if raw is None else raw >> _SINCE_BOOT_SHIFT & ALL_FLAGS


def flag_words(flags: int | None) -> str:
    """Return the names of flags, with a comma between; empty if there are none."""
    return ", ".join(word for bit, word in _WORDS if (flags or 0) & bit)
