"""The orbit and the ground stations of a scenario."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hil.scenario.fields import Float, FrozenModel
from hil.scenario.plant.orbit_forms import in_model_form
from hil.scenario.problems import Findings, wrong, wrong_at
from hil.scenario.yaml.messages import describe

__all__ = ["Eclipse", "OrbitModel", "StationModel", "Utc"]

Degrees = Annotated[Float, Field(ge=-360, le=360)]


def _utc(value: Any) -> Any:
    """Return a time in UTC; text without a time zone is also UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise wrong(
                f"{describe(value)} is not a valid UTC time; expected one such as "
                "2026-03-20T00:00:00Z"
            ) from None
    if not isinstance(value, datetime):
        raise wrong(f"{describe(value)}; expected UTC such as 2026-03-20T00:00:00Z")
    return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value


Utc = Annotated[datetime, BeforeValidator(_utc)]


def _tle(value: Any) -> Any:
    """Return the two lines of a TLE, also from one text, and among other lines: names, comments."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        return value
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) == 2 and all(_SET_LINE.match(line) for line in lines):
        return lines  # hil.plant.orbit reports errors in them
    pairs = [
        [first, second]
        for first, second in pairwise(lines)
        if first.startswith("1 ") and second.startswith("2 ")
    ]
    if len(pairs) == 1:
        return pairs[0]
    raise wrong(*_of_lines(lines, len(pairs)))


def _named(value: Any) -> Any:
    """Return the name of an object, also of a catalogue number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _three(value: Any) -> Any:
    """Return three numbers, also from text such as `1.0, 2.0, 3.0`."""
    if isinstance(value, str):
        try:
            value = [float(word) for word in re.split(r"[,\s]+", value.strip(" []()"))]
        except ValueError:
            raise wrong(f"{describe(value)}; expected three numbers, as [1.0, 2.0, 3.0]") from None
    return tuple(value) if isinstance(value, list) else value


def _of_lines(lines: Sequence[str], pairs: int) -> tuple[str, str]:
    """Return the error for lines without exactly one pair of TLE lines."""
    expected = "expected the two lines of a TLE, which begin with `1 ` and `2 `"
    if pairs:
        return f"{pairs} sets of elements; {expected}", "name one: `object: NAME`, or its number"
    if len(lines) == 1 and re.search(r"[0-9] +2 [0-9A-Z ]{5} ", lines[0]):
        return f"both lines in one; {expected}", "write `tle: |`, and the lines below it"
    count = f"{len(lines)} line{'s'[: len(lines) != 1]}"
    return f"{count}; {expected}", "paste them below `tle: |`; other lines are passed over"


_SET_LINE = re.compile(r"[12] ")
Three = Annotated[tuple[Float, Float, Float], BeforeValidator(_three)]


class OrbitModel(FrozenModel):
    """A TLE, an OMM, a file, a state, or mean elements at an epoch. Ranges and contradictions:
    hil.plant.orbit. Other usual names of the elements are accepted: hil.scenario.plant.orbit_forms.
    """

    tle: Annotated[tuple[str, str] | None, BeforeValidator(_tle)] = Field(
        default=None,
        description="The two lines of a TLE (names and comments around them are ignored), "
        "instead of everything below.",
    )
    omm: str | None = Field(
        default=None,
        description="An OMM: a mapping, or text in JSON, CSV, XML or KVN; also an OPM or OEM.",
    )
    file: str | None = Field(
        default=None, description="A file with a TLE, OMM, OPM or OEM, beside the scenario."
    )
    object: Annotated[str | None, BeforeValidator(_named)] = Field(
        default=None, description="Which of several objects: name, catalogue number or designator."
    )
    position_km: Three | None = Field(
        default=None, description="With `velocity_km_s`: a state at `epoch_utc`."
    )
    velocity_km_s: Three | None = Field(default=None, description="With `position_km`.")
    frame: str | None = Field(
        default=None, description="Of the state: TEME, EME2000, GCRF, ITRF or TOD."
    )
    epoch_utc: Utc | None = Field(default=None, description="Epoch of the elements, or the state.")
    altitude_km: Float | None = Field(
        default=None, description="Semi-major axis less the equatorial radius of 6378.137 km."
    )
    eccentricity: Float | None = Field(default=None, description="With `altitude_km`; default 0.")
    perigee_km: Float | None = Field(default=None, description="Instead of `altitude_km`.")
    apogee_km: Float | None = Field(default=None, description="Instead of `altitude_km`.")
    inclination_deg: Float | Literal["sun-synchronous"] | None = Field(
        default=None, description="0 to 180, or sun-synchronous."
    )
    raan_deg: Degrees | None = Field(
        default=None, description="Right ascension of the ascending node."
    )
    ascending_node_local_time_h: Annotated[Float, Field(ge=0, le=24)] | None = Field(
        default=None, description="Instead of `raan_deg`: mean solar time there; 18 is dusk."
    )
    argp_deg: Degrees = Field(default=0.0, description="Argument of perigee.")
    mean_anomaly_deg: Degrees = Field(default=0.0, description="Mean anomaly at the epoch.")
    bstar: Float = Field(default=0.0, description="Drag term of SGP4 [1/Earth radii].")

    @model_validator(mode="before")
    @classmethod
    def _other_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        findings = Findings()
        value = in_model_form(value, findings)
        wrong_at("OrbitModel", findings)
        return value

    @model_validator(mode="after")
    def _one_form(self) -> OrbitModel:
        findings = Findings()
        given = [key for key in self.model_fields_set if getattr(self, key) is not None]
        forms = {
            "tle": (self.tle, "the TLE already says `{}`", {"tle"}),
            "omm": (self.omm, "the OMM already says `{}`", {"omm", "object"}),
            "file": (self.file, "the file already says `{}`", {"file", "object"}),
            "position_km": (
                self.position_km or self.velocity_km_s,
                "the state already says `{}`",
                {"position_km", "velocity_km_s", "frame", "epoch_utc", "bstar"},
            ),
        }
        for form, why, known in forms.values():
            if form is not None:
                for key in sorted(set(given) - known):
                    findings.add(key, why.format(key), "remove one of the two")
                break
        else:
            self._check_elements(findings)
        if self.position_km is not None or self.velocity_km_s is not None:
            for key in ("position_km", "velocity_km_s", "frame", "epoch_utc"):
                if getattr(self, key) is None:
                    findings.add(key, f"a state needs `{key}`", f"add `{key}:`")
        wrong_at("OrbitModel", findings)
        return self

    def _check_elements(self, findings: Findings) -> None:
        for key, why in (("epoch_utc", "when"), ("inclination_deg", "which plane")):
            if getattr(self, key) is None:
                findings.add(
                    key, f"the elements do not say {why}; expected `{key}`", f"add `{key}:`"
                )
        if self.altitude_km is None and (self.perigee_km is None or self.apogee_km is None):
            findings.add(
                "altitude_km",
                "the size is missing; expected `altitude_km`, or `perigee_km` and `apogee_km`",
                "add for example `altitude_km: 550.0`",
            )
        for key in ("frame", "object"):
            if getattr(self, key) is not None:
                findings.add(key, f"`{key}` has no meaning for elements", "remove it")


class Eclipse(FrozenModel):
    """The edge of the Earth's shadow (hil.plant.eclipse)."""

    grazing_height_km: Annotated[Float, Field(ge=0, le=100)] = Field(
        default=0.0,
        description="Sunlight that passes the WGS84 ellipsoid lower than this is lost. 0: no "
        "atmosphere; 21: what refraction and extinction take, in low orbit.",
    )


class StationModel(FrozenModel):
    """A ground station."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name: a-z, 0-9, _ and -."
    )
    latitude_deg: Annotated[Float, Field(ge=-90, le=90)] = Field(description="Geodetic.")
    longitude_deg: Degrees = Field(description="East.")
    altitude_km: Annotated[Float, Field(ge=-1, le=9)] = Field(default=0.0, description="Height.")
    min_elevation_deg: Annotated[Float, Field(ge=0, lt=90)] = Field(
        default=5.0, description="It hears the satellite above this elevation."
    )
    g_over_t_db_k: Annotated[Float, Field(ge=-300, le=300)] | None = Field(
        default=None, description="Its G/T, in place of that of `offload.downlink`."
    )
    eirp_dbw: Annotated[Float, Field(ge=-300, le=300)] | None = Field(
        default=None, description="Its EIRP, in place of that of `offload.uplink`."
    )
