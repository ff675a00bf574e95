"""One key of a scenario that takes several values, for `hil compare --over KEY=VALUES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hil.errors import UsageError
from hil.plant.sweep import Axis, swept_values, variants
from hil.scenario import Scenario
from hil.scenario.monitors import MonitorsConfig

__all__ = ["OF_MONITORS", "OF_OWN_SCHEME", "SWEPT", "SweptKey", "parse_over"]

_MOST: Final = 100
_FORM: Final = "write it as persistence=0,1,2,4,8, or altitude_km=400:1200:200"


@dataclass(frozen=True, slots=True)
class SweptKey:
    """A key and its values. `changed` returns a scenario with one of them."""

    name: str
    values: tuple[float, ...]

    def changed(self, scenario: Scenario, value: float) -> Scenario:
        """Return `scenario` with the key at `value`. Raises: UsageError if it cannot be."""
        try:
            return _CHANGES[self.name](scenario, value)
        except ValidationError as error:
            raise UsageError(
                f"--over {self.name}={value:g}: {_refusal(error.errors(include_url=False)[0])}",
                remedy=f"leave {value:g} out",
            ) from None


def parse_over(text: str) -> SweptKey:
    """Return the key and values of KEY=VALUE,VALUE,... or KEY=FIRST:LAST:STEP. Raises:
    UsageError."""
    key, numbers = swept_values("--over", text, SWEPT, _FORM, _MOST)
    twice = next((number for at, number in enumerate(numbers) if number in numbers[:at]), None)
    if twice is not None:
        raise UsageError(
            f"--over {text}: the value {twice:g} is given more than once, and would be run again",
            remedy=f"name {twice:g} once",
        )
    if len(numbers) > _MOST:
        raise UsageError(
            f"--over {text}: {len(numbers)} values; at most {_MOST} are run",
            remedy="leave some out, or take several commands",
        )
    return SweptKey(key, tuple(numbers))


def _refusal(error: ErrorDetails) -> str:
    """Return why a scenario refuses a value, in words."""
    limits = error.get("ctx", {})
    if "message" in limits:
        return str(limits["message"])
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for key, word in words.items():
        if key in limits:
            return f"expected {word} {limits[key]:,.12g}"
    if error["type"].startswith("int"):
        return "expected a whole number"
    return error["msg"]


def _recovery(key: str, scenario: Scenario, value: float) -> Scenario:
    recovery = scenario.recovery
    number = int(value) if value == int(value) else value
    changed = type(recovery).model_validate({**recovery.model_dump(), key: number})
    return scenario.model_copy(update={"recovery": changed})


def _accel(scenario: Scenario, value: float) -> Scenario:
    upsets = scenario.upsets
    data = {**upsets.model_dump(exclude={"events", "rates", "orbit"}), "accel": value}
    accel = type(upsets).model_validate(data).accel
    return scenario.model_copy(update={"upsets": upsets.model_copy(update={"accel": accel})})


def _orbit(key: str, scenario: Scenario, value: float) -> Scenario:
    plant = scenario.plant
    ((_, changed),) = variants(scenario, [Axis(key, (value,))])
    assert plant is not None
    assert changed.plant is not None
    own = {"stations": plant.stations, "step_s": plant.step_s}  # which surveys of means change
    return changed.model_copy(update={"plant": changed.plant.model_copy(update=own)})


def _follows(key: str, scenario: Scenario, value: float) -> Scenario:
    follows = scenario.rig.follows
    if follows is None:
        return scenario
    raw = f"{value:g}s" if key == "dwell" else value
    data = {**follows.model_dump(by_alias=True), key: raw}
    changed = type(follows).model_validate(data)
    rig = scenario.rig.model_copy(update={"follows": changed})
    return scenario.model_copy(update={"rig": rig})


def _monitors(key: str, scenario: Scenario, value: float) -> Scenario:
    """Change the rule of the monitors of a primary; other schemes have none."""
    rig = scenario.rig
    if not rig.scheme.has_primary:
        return scenario
    number = int(value) if value == int(value) else value
    monitors = rig.monitors or MonitorsConfig()
    changed = MonitorsConfig.model_validate({**monitors.model_dump(), key: number})
    rig = rig.model_copy(update={"monitors": changed})
    return scenario.model_copy(update={"rig": rig})


_CHANGES: Final[Mapping[str, Callable[[Scenario, float], Scenario]]] = {
    "persistence": partial(_recovery, "resyncs"),
    "scrub_words": partial(_recovery, "scrub_words"),
    "checkpoint_every": partial(_recovery, "checkpoint_every"),
    "rollbacks": partial(_recovery, "rollbacks"),
    "reintegrate_frames": partial(_recovery, "reintegrate_frames"),
    "window_frames": partial(_recovery, "window_frames"),
    "anomaly_flux": partial(_follows, "anomaly_flux"),
    "storm_flux": partial(_follows, "storm_flux"),
    "errors_per_minute": partial(_follows, "errors_per_minute"),
    "dwell_s": partial(_follows, "dwell"),
    "monitor_votes": partial(_monitors, "votes"),
    "monitor_frames": partial(_monitors, "frames"),
    "accel": _accel,
    "altitude_km": partial(_orbit, "altitude_km"),
    "inclination_deg": partial(_orbit, "inclination_deg"),
    "shielding_mm_al": partial(_orbit, "shielding_mm_al"),
}
OF_OWN_SCHEME: Final = ("anomaly_flux", "storm_flux", "errors_per_minute", "dwell_s")
"""Those that matter to a scheme only that follows the orbit."""
OF_MONITORS: Final = ("monitor_votes", "monitor_frames")
"""Those that matter only to a primary with monitors."""
SWEPT: Final = tuple(_CHANGES)
"""Keys that can be swept. `persistence` is `recovery.resyncs`, the faults of a node that a resync
answers within `recovery.window_frames`; `accel` multiplies all rates of upsets."""
