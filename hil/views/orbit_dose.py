"""The dose of a survey: its lines of text, and the depth-dose curve of its picture."""

from __future__ import annotations

from typing import Any, Final

from rich.text import Text

from hil.plant.survey_figures import DoseFigures, DoseLimit
from hil.views.orbit_rates import spread_text
from hil.views.style import WARN

__all__ = ["dose_lines", "draw_depth_dose"]

_DEPTHS_MM: Final = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
_LONG_YEARS: Final = 1000.0
_SHORT_D: Final = 0.5
"""A shorter flight does not see all passes of the anomaly, which give most of the dose in low
orbits; those of twelve hours at 650 km are within 2 % of those of ten days."""


def dose_lines(dose: DoseFigures) -> list[tuple[str, Text | str]]:
    """Return label and text of each line."""
    parts = ", ".join(f"{source} {_krad(krad)}" for source, krad in dose.by_source.items() if krad)
    lines: list[tuple[str, Text | str]] = [
        (
            "dose",
            f"{_krad(dose.krad_per_year)} krad(Si) a year behind {dose.wall_mm_al:g} mm of "
            f"aluminium; {dose.protons_per_cm2_year:.2g} protons/cm² a year",
        )
    ]
    if parts:
        lines.append(("", parts))
    if dose.duration_d < _SHORT_D:
        hours = f"{24.0 * dose.duration_d:.3g} hours"
        lines.append(("", f"scaled up from {hours} of flight: fly a day or more to see all passes"))
    depths = [(mm, _at(dose, mm)) for mm in _DEPTHS_MM]
    curve = ", ".join(f"{mm:g} mm {_krad(krad)}" for mm, krad in depths if krad is not None)
    if curve:
        lines.append(("", f"by depth: {curve}"))
    if dose.protons_of is not None:
        lines.append(("", _given_protons(dose)))
    if dose.solar_confidence_percent is not None:
        lines.append(("", f"solar protons at {dose.solar_confidence_percent} % confidence"))
    if dose.events_krad:
        events = _krad(dose.events_krad)
        lines.append(("", f"and {events} krad of the flight's solar particle events"))
    lines.extend(_limit_lines(dose))
    return lines


def _krad(value: float) -> str:
    return f"{value:.3g}" if value >= 1e-4 else f"{value:.1e}"


def _at(dose: DoseFigures, mm: float) -> float | None:
    if mm not in dose.depth_mm_al:
        return None
    return dose.krad_per_year_by_depth[dose.depth_mm_al.index(mm)]


def _given_protons(dose: DoseFigures) -> str:
    energies = dose.proton_energies_mev
    if len(energies) < 2:
        return f"protons of {dose.protons_of}: one energy is not a spectrum, so they give no dose"
    span = f"{energies[0]:g} to {energies[-1]:g} MeV"
    return f"protons of {dose.protons_of}, {span}, extrapolated beyond; electrons of AE8"


def _limit_lines(dose: DoseFigures) -> list[tuple[str, Text | str]]:
    """Return when boards reach their limits: one line for those of one kind."""
    kinds: dict[str, list[DoseLimit]] = {}
    for limit in dose.limits:
        kinds.setdefault(limit.profile, []).append(limit)
    out: list[tuple[str, Text | str]] = []
    for profile, limits in kinds.items():
        first = limits[0]
        nodes = ", ".join(limit.node for limit in limits)
        text = f"{profile} ({nodes}): {spread_text(first.limit_krad)} krad"
        if first.within_flight:
            out.append(
                (
                    "dose limit",
                    Text(f"{text} REACHED DURING THE FLIGHT, after {_times(first)}", WARN),
                )
            )
        else:
            out.append(("dose limit", f"{text}, reached after {_times(first)}"))
    for profile in dict.fromkeys(dose.unlimited.values()):
        nodes = ", ".join(node for node, name in dose.unlimited.items() if name == profile)
        out.append(("dose limit", f"{profile} ({nodes}): not known"))
    return out


def _times(limit: DoseLimit) -> str:
    best = _time(limit.years)
    ends = [_time(limit.soonest_years), _time(limit.latest_years)]
    return best if ends == [best, best] else f"{best} ({ends[0]} to {ends[1]})"


def _time(years: float | None) -> str:
    if years is None or years > _LONG_YEARS:
        return f"more than {_LONG_YEARS:g} years"
    return f"{years:.3g} years" if years >= 2.0 else f"{365.25 * years:.3g} days"


def draw_depth_dose(axis: Any, dose: DoseFigures) -> None:
    """Draw the depth-dose curve and its parts, the wall, and the limits as doses of a year."""
    depths = dose.depth_mm_al
    axis.plot(depths, dose.krad_per_year_by_depth, color="black", linewidth=1.4, label="total")
    for source, curve in dose.curves.items():
        if any(curve):
            shown = [value if value > 0.0 else float("nan") for value in curve]
            axis.plot(depths, shown, linewidth=0.9, label=source)
    axis.axvline(dose.wall_mm_al, color="grey", linestyle=":", linewidth=1.0, label="wall")
    for profile, krad in {limit.profile: limit.limit_krad.best for limit in dose.limits}.items():
        axis.axhline(krad, linestyle="--", linewidth=0.8, label=f"limit of {profile}")
    axis.set_xscale("log")
    axis.set_yscale("log")
    top = max(dose.krad_per_year_by_depth, default=1.0)
    axis.set_ylim(bottom=max(1e-5 * top, 1e-4))
    axis.set_xlabel("aluminium mm (sphere)")
    axis.set_ylabel("krad(Si) a year", fontsize=8)
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
