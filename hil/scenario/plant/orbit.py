"""The orbit and the ground stations, as a scenario gives them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hil.scenario.fields import Float, FrozenModel
from hil.scenario.positions import describe
from hil.scenario.problems import Findings, wrong, wrong_at

__all__ = ["Eclipse", "OrbitModel", "StationModel", "Utc"]

Degrees = Annotated[Float, Field(ge=-360, le=360)]


def _utc(value: Any) -> Any:
    """A moment in UTC; text without a zone is UTC, too."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise wrong(
                f"{describe(value)} is no moment; expected UTC such as 2026-03-20T00:00:00Z"
            ) from None
    if not isinstance(value, datetime):
        raise wrong(f"{describe(value)}; expected UTC such as 2026-03-20T00:00:00Z")
    return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value


Utc = Annotated[datetime, BeforeValidator(_utc)]


def _tle(value: Any) -> Any:
    """The two lines of a TLE, also from one text, and after a line with the satellite's name."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        return value
    lines = [line for line in lines if line.strip()]
    if len(lines) == 3 and not lines[0].startswith("1 "):
        lines = lines[1:]
    if len(lines) != 2:
        raise wrong(
            f"{len(lines)} line{'s'[: len(lines) != 1]}; expected the two lines of a TLE, "
            "or three with the satellite's name first"
        )
    return lines


class OrbitModel(FrozenModel):
    """A TLE, or mean elements at an epoch. Ranges and contradictions: hil.plant.orbit."""

    tle: Annotated[tuple[str, str] | None, BeforeValidator(_tle)] = Field(
        default=None,
        description="The two lines of a TLE (a name before them is passed over), "
        "instead of everything below.",
    )
    epoch_utc: Utc | None = Field(default=None, description="Epoch of the elements.")
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

    @model_validator(mode="after")
    def _one_form(self) -> OrbitModel:
        found = Findings()
        given = {key for key in type(self).model_fields if key in self.model_fields_set}
        if self.tle is not None:
            for key in sorted(given - {"tle"}):
                if getattr(self, key) is not None:
                    found.add(key, f"the TLE already says `{key}`", "remove one of the two")
        else:
            for key, why in (("epoch_utc", "when"), ("inclination_deg", "which plane")):
                if getattr(self, key) is None:
                    found.add(
                        key, f"the elements do not say {why}; expected `{key}`", f"add `{key}:`"
                    )
            if self.altitude_km is None and (self.perigee_km is None or self.apogee_km is None):
                found.add(
                    "altitude_km",
                    "the size is missing; expected `altitude_km`, or `perigee_km` and `apogee_km`",
                    "add for example `altitude_km: 550.0`",
                )
        wrong_at("OrbitModel", found)
        return self


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
