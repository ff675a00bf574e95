"""The throttling flags of a Raspberry Pi's firmware: present ones, and those since its boot.

The flags are those of `vcgencmd get_throttled`: bits 0 to 3 are the present conditions, bits 16 to
19 the conditions that occurred at some time since the board booted. The latter stay set until the
next boot, so they are not the present state of the board."""

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
    """Return the present flags (bits 0 to 3); None if the board has none."""
    return None if raw is None else raw & ALL_FLAGS


def flags_since_boot(raw: int | None) -> int | None:
    """Return the flags that were set since the board booted, shifted to bits 0 to 3; None if the
    board has none."""
    return None if raw is None else raw >> _SINCE_BOOT_SHIFT & ALL_FLAGS


def flag_words(flags: int | None) -> str:
    """Return the names of the flags, separated by commas; empty if none is set."""
    return ", ".join(word for bit, word in _WORDS if (flags or 0) & bit)
