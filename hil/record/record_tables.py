"""The tables of a record that other rooms name: those whose rows have ids."""

from __future__ import annotations

from hil.word_enum import Word

__all__ = ["RecordTable"]


class RecordTable(Word):
    """A table whose rows have ids. Except for those of UPSETS, ids grow with the frames."""

    ANOMALIES = "anomalies"
    COMMANDS = "commands"
    HEALTH = "health"
    LIMITS = "limits"
    LINK_COUNTS = "link_counts"
    LINK_EVENTS = "link_events"
    NOTES = "notes"
    POWER = "power"
    REPAIRS = "repairs"
    SLIPS = "slips"
    TRANSITIONS = "transitions"
    UPSETS = "upsets"
