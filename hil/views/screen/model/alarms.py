"""Alarms of values that are out of their limits. Pure: samples in, alarms out.

`persistence` consecutive samples out of limits raise the alarm of their quantity and node; the
first one within limits ends it. A raised alarm stays listed (latched) until it is acknowledged:

    level     the level of the value now     GOOD, WARN (yellow), BAD (red)
    latched   the worst since the last acknowledgement
    listed    level > GOOD, or latched > GOOD and not acknowledged

The limits are read by `hil.views.alarm_limits`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hil.views.alarm_limits import DEFAULTS, QUANTITIES, Level, Limit, Limits

__all__ = ["Alarm", "AlarmBook"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """The alarm of one quantity of one node (empty: of the satellite, or of the whole system).

    `since_frame` is the frame in which it was first raised since the last acknowledgement; `text`
    is its worst value since then. `episode_frame` is the frame in which the present or the last
    episode began (-1: `since_frame`), `episode_text` the worst value of that. `raised_frame` is the
    frame in which it was last raised or became worse; a later acknowledgement counts."""

    quantity: str
    node: str
    level: Level
    latched: Level
    since_frame: int
    text: str
    value: float | None = None
    worst: float | None = None
    acknowledged: bool = False
    times: int = 1
    raised_frame: int = 0
    episode_frame: int = -1
    episode_text: str = ""

    @property
    def began_frame(self) -> int:
        """Return the frame in which the present episode began, or the last one."""
        return self.since_frame if self.episode_frame < 0 else self.episode_frame

    @property
    def now_text(self) -> str:
        """Return the text of the present episode, or of the last one."""
        return self.episode_text or self.text

    @property
    def key(self) -> tuple[str, str]:
        """Return the quantity and the node."""
        return self.quantity, self.node

    @property
    def name(self) -> str:
        """Return the name of the alarm in commands."""
        return ".".join(part for part in self.key if part)

    @property
    def listed(self) -> bool:
        """Return whether the alarm is raised, or not acknowledged."""
        return self.level > Level.GOOD or not self.acknowledged


class AlarmBook:
    """All alarms of a run, as far as its record has been read."""

    def __init__(self, limits: Limits = DEFAULTS, of_boards: Limits | None = None) -> None:
        self._limits = limits
        self._of_boards = of_boards or {}
        self._streaks: dict[tuple[str, str], tuple[int, int]] = {}  # samples out: any, red
        self._alarms: dict[tuple[str, str], Alarm] = {}

    @property
    def limits(self) -> list[tuple[str, Limit]]:
        """Return all limits, with their quantities."""
        return [
            (key[0], limit)
            for each in (self._limits, self._of_boards)
            for key, limit in each.items()
        ]

    def is_raised(self, key: tuple[str, str]) -> bool:
        """Return whether the alarm of a quantity of a node is raised now."""
        alarm = self._alarms.get(key)
        return alarm is not None and alarm.level > Level.GOOD

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Return the alarms that are listed, the worst and newest first."""
        listed = [alarm for alarm in self._alarms.values() if alarm.listed]
        return tuple(sorted(listed, key=lambda a: (-a.level, -a.latched, -a.since_frame, a.key)))

    def limit(self, quantity: str, phase: str = "", node: str = "") -> Limit | None:
        """Return the limit of a quantity of a node in a phase of the orbit."""
        return (
            self._of_boards.get((quantity, node))
            or self._limits.get((quantity, phase))
            or self._limits.get((quantity, ""))
        )

    def sample(self, frame: int, quantity: str, node: str, value: float, phase: str = "") -> Level:
        """Take a value of a quantity; return the level of its alarm now."""
        limit = self.limit(quantity, phase, node)
        if limit is None:
            return Level.GOOD
        seen = limit.level(value)
        out, red = self._streaks.get((quantity, node), (0, 0))
        out = out + 1 if seen > Level.GOOD else 0
        red = red + 1 if seen is Level.BAD else 0
        self._streaks[quantity, node] = out, red
        level = Level.BAD if red >= limit.persistence else Level.WARN
        if out < limit.persistence:
            level = Level.GOOD
        name, unit = QUANTITIES[quantity]
        crossed = limit.crossed(value)
        text = f"{name} {value:.4g} {unit}".rstrip() + (f" {crossed}" if crossed else "")
        self._set(frame, quantity, node, level, f"{node}: {text}" if node else text, value)
        return level

    def condition(self, frame: int, what: str, node: str, level: Level, text: str) -> None:
        """Take a condition that is either present or not; level GOOD ends it."""
        self._set(frame, what, node, level, text, None)

    def _set(
        self, frame: int, quantity: str, node: str, level: Level, text: str, value: float | None
    ) -> None:
        key = (quantity, node)
        old = self._alarms.get(key)
        if old is None or (not old.listed and level > Level.GOOD):
            if level > Level.GOOD:
                self._alarms[key] = Alarm(
                    quantity, node, level, level, frame, text, value, value, raised_frame=frame
                )
            return
        worse = level > Level.GOOD and level >= old.latched
        raised = level > Level.GOOD and old.level is Level.GOOD
        # An alarm that is raised again, or gets worse, must be acknowledged again.
        acknowledged = old.acknowledged and not raised and level <= old.level
        since = frame if raised and old.acknowledged else old.since_frame
        if level is Level.GOOD and acknowledged:
            del self._alarms[key]
            return
        self._alarms[key] = replace(
            old,
            level=level,
            latched=max(level, old.latched),
            since_frame=since,
            text=text if worse else old.text,
            value=value,
            episode_frame=frame if raised else old.began_frame,
            episode_text=text if level > Level.GOOD and level >= old.level else old.now_text,
            worst=value if worse else old.worst,
            acknowledged=acknowledged,
            times=old.times + raised,
            raised_frame=frame if raised or level > old.level else old.raised_frame,
        )

    def acknowledge(self, keys: Iterable[tuple[str, str]] | None = None) -> int:
        """Acknowledge these alarms (None: all) and return how many; those that are over are no
        longer listed."""
        count = 0
        for key in list(self._alarms) if keys is None else list(keys):
            alarm = self._alarms.get(key)
            if alarm is None or alarm.acknowledged:
                continue
            count += 1
            if alarm.level is Level.GOOD:
                del self._alarms[key]
            else:
                self._alarms[key] = replace(alarm, acknowledged=True)
        return count
