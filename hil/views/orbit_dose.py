"""The dose of a survey: its lines of text, and the depth-dose curve of its picture."""

from __future__ import annotations

from typing import Any, Final

from rich.text import Text

from hil.plant.survey_figures import DoseFigures, DoseLimit
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


def _limit_lines(dose: DoseFigures) -> list[tuple[str, Text | str]]:
    """Return when boards reach their limits: one line for those of one kind."""
    kinds: dict[str, list[DoseLimit]] = {}
    for limit in dose.limits:
        kinds.setdefault(limit.profile, []).append(limit)
    out: list[tuple[str, Text | str]] = []
    for profile, limits in kinds.items():
        first = limits[0]
        nodes = ", ".join(limit.node for limit in limits)
        text = f"{profile} ({nodes}): {first.limit_krad:g} krad"
        if first.years is None or first.years > _LONG_YEARS:
            out.append(("dose limit", f"{text}, not reached in {_LONG_YEARS:g} years"))
        elif first.within_flight:
            out.append(
                (
                    "dose limit",
                    Text(f"{text} REACHED DURING THE FLIGHT, after {_time(first.years)}", WARN),
                )
            )
        else:
            out.append(("dose limit", f"{text}, reached after {_time(first.years)}"))
    return out


def _time(years: float) -> str:
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
    for profile, krad in {limit.profile: limit.limit_krad for limit in dose.limits}.items():
        axis.axhline(krad, linestyle="--", linewidth=0.8, label=f"limit of {profile}")
    axis.set_xscale("log")
    axis.set_yscale("log")
    top = max(dose.krad_per_year_by_depth, default=1.0)
    axis.set_ylim(bottom=max(1e-5 * top, 1e-4))
    axis.set_xlabel("aluminium mm (sphere)")
    axis.set_ylabel("krad(Si) a year", fontsize=8)
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
