"""One board's power, switched off and on, while all links are watched.

    all answer -> measure -> off -> watch -> measure -> on -> watch until all answer again

What the answers mean is said in `hil.rig.bench_test.power_findings`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from hil.errors import LinkTimeout, SetupError
from hil.rig.bench_test.board_links import BoardUnderTest
from hil.rig.bench_test.link_watch import LinkWatch, Sighting
from hil.rig.bench_test.switched_outputs import SwitchedOutputs
from hil.rig.power import Power, PowerReading

__all__ = ["CyclePatience", "OffFailed", "PowerCycle", "cycle_power"]

_READINGS: Final = 5
_READ_EVERY_US: Final = 100_000
_ANSWER_US: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class CyclePatience:
    """The times to wait in a power cycle [us].

    `hold_up_us`: for how long capacitors may keep a board running; one that still runs then is
    waited for until `hold_up_max_us`. `silence_us`: how long a board must be silent to count as
    off. `boot_us`: from power-on until its agent answers."""

    hold_up_us: int = 2_000_000
    hold_up_max_us: int = 10_000_000
    silence_us: int = 800_000
    boot_us: int = 120_000_000


class OffFailed(SetupError):
    """Raised if a supply could not be switched off; `ran_on`: its board went on all the same."""

    def __init__(self, error: SetupError, *, ran_on: bool) -> None:
        super().__init__(error.message, remedy=error.remedy)
        self.ran_on = ran_on


@dataclass(frozen=True, slots=True)
class PowerCycle:
    """The observations of a power cycle of `board`.

    `idle` and `off`: the readings before and while it was off; `reports_on`: whether the supply
    itself said then that its output is on, None if it cannot say. `was_cut`: the board's agent
    stopped; `boot_s`: from power-on until it answered [s], None if it did not stop, or did not come
    up. `restarted`, `unlinked`: other boards whose agents started again, or whose ports got lost
    although their agents kept running. `missing`: boards that did not answer again."""

    board: str
    supply: str
    idle: PowerReading
    off: PowerReading
    reports_on: bool | None
    was_cut: bool
    boot_s: float | None = None
    hold_up_s: float | None = None
    restarted: tuple[str, ...] = ()
    unlinked: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def cycle_power(
    board: BoardUnderTest,
    power: Power,
    others: Sequence[str],
    watch: LinkWatch,
    outputs: SwitchedOutputs,
    patience: CyclePatience,
) -> PowerCycle:
    """Switch a board's power off and on, and return what was observed. `others`: the other boards
    that answer.

    Raises: LinkTimeout if one of them does not answer, and nothing is switched; OffFailed if the
    supply cannot be switched off; SetupError if it fails: the output may be off then."""
    clock, name = watch.clock, board.name
    everybody = (name, *others)
    watch.forget()
    if not watch.watch(_ANSWER_US, lambda: all(n in watch.sightings for n in everybody)):
        silent = [n for n in everybody if n not in watch.sightings]
        raise LinkTimeout(f"{', '.join(silent)} stopped answering")
    before = dict(watch.sightings)
    idle = _reading(power, watch)
    try:
        outputs.off(power)
    except SetupError as error:
        off_us = clock.now_us()
        watch.watch(patience.hold_up_us + patience.silence_us)
        ran_on = watch.was_seen_after(name, off_us + patience.hold_up_us)
        raise OffFailed(error, ran_on=ran_on) from error
    off_us = clock.now_us()
    _watch_off(watch, name, off_us, patience, power.supply.off_s)
    last_us = watch.sightings[name].at_us
    off, reports_on = power.read(), power.gives_power()
    on_us = clock.now_us()
    outputs.on(power)
    end_us = clock.now_us() + patience.boot_us
    watch.watch(patience.boot_us, lambda: watch.was_seen_after(name, on_us))
    answered_us = watch.sightings[name].at_us
    watch.watch(
        max(_ANSWER_US, end_us - clock.now_us()),
        lambda: all(watch.was_seen_after(n, on_us) for n in others),
    )
    missing = tuple(n for n in everybody if not watch.was_seen_after(n, on_us))
    stopped = {n for n in everybody if n in missing or not _ran_on(watch, before, n)}
    was_cut = name in stopped
    return PowerCycle(
        board=name,
        supply=power.title,
        idle=idle,
        off=off,
        reports_on=reports_on,
        was_cut=was_cut,
        boot_s=(answered_us - on_us) / 1e6 if was_cut and name not in missing else None,
        hold_up_s=max(0.0, (last_us - off_us) / 1e6) if was_cut else None,
        restarted=tuple(n for n in others if n in stopped),
        unlinked=tuple(n for n in others if n in watch.lost and n not in stopped),
        missing=missing,
    )


def _ran_on(watch: LinkWatch, before: dict[str, Sighting], name: str) -> bool:
    return watch.sightings[name].is_same_start(before[name])


def _watch_off(
    watch: LinkWatch, name: str, off_us: int, patience: CyclePatience, off_s: float
) -> None:
    """Watch while the power is off: long enough for every board that lost it to fall silent."""
    window_us = max(patience.hold_up_us + patience.silence_us, int(off_s * 1e6))
    watch.watch(window_us)
    if watch.was_seen_after(name, off_us + patience.hold_up_us):
        watch.watch(
            patience.hold_up_max_us - window_us,
            lambda: not watch.was_seen_after(name, watch.clock.now_us() - patience.silence_us),
        )


def _reading(power: Power, watch: LinkWatch) -> PowerReading:
    """Return the median of some readings. Raises: SetupError."""
    readings = [power.read()]
    while len(readings) < _READINGS and readings[0].amps is not None:
        watch.watch(_READ_EVERY_US)
        readings.append(power.read())
    amps = [r.amps for r in readings if r.amps is not None]
    return PowerReading(readings[-1].volts, median(amps) if amps else None)
