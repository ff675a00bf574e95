"""The lines of a survey that say the dose: per year behind the wall, by source, and by depth."""

from __future__ import annotations

from hil.plant.survey_figures import DoseFigures

__all__ = ["dose_lines"]


def dose_lines(dose: DoseFigures) -> list[tuple[str, str]]:
    """Return label and text of each line."""
    parts = ", ".join(f"{name} {krad:.3g}" for name, krad in dose.by_source.items() if krad)
    return [
        (
            "dose",
            f"{dose.krad_per_year:.3g} krad(Si) a year behind {dose.wall_mm_al:g} mm of aluminium"
            + (f" ({parts})" if parts else ""),
        )
    ]
