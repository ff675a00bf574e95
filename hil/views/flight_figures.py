"""The figures of a flight without boards as rows of name and value, for notebooks."""

from __future__ import annotations

from hil.plant.survey_figures import SurveyFigures

__all__ = ["figure_rows"]


def figure_rows(figures: SurveyFigures) -> list[list[str]]:
    """Return what a flight came to, a row for each figure that it has."""
    orbit, craft = figures.orbit, figures.spacecraft
    rows = {"duration": f"{figures.duration_s:,.0f} s"}
    if orbit is not None:
        rows["orbit"] = (
            f"{orbit.perigee_km:.0f} x {orbit.apogee_km:.0f} km, {orbit.inclination_deg:.2f} deg, "
            f"period {orbit.period_s / 60:.1f} min, from {orbit.start_utc}"
        )
    if figures.sunlit is not None:
        longest = f"longest {figures.longest_eclipse_s / 60:.1f} min"
        rows["in sunlight"] = f"{figures.sunlit:.1%}, {figures.eclipses} eclipses, {longest}"
    rows["flux"] = (
        f"mean {figures.mean_flux_per_cm2_s:.4g}, peak {figures.peak_flux_per_cm2_s:.4g} per cm2 s"
    )
    rows["passes of high flux"] = f"{figures.saa_passes}, {figures.saa_share:.1%} of the time"
    if figures.contacts:
        rows["contacts"] = f"{figures.contacts}, {figures.contact_s:,.0f} s"
    for name, board in figures.boards.items():
        rates = (f"{kind} {rate:.4g}" for kind, rate in board.upsets_per_day.items() if rate)
        rows[f"node {name}"] = f"{board.profile}; a day: {', '.join(rates) or 'no upset'}"
    if craft is not None:
        rows["lowest state of charge"] = f"{craft.min_soc:.1%}"
        rows["hottest chip"] = f"{craft.max_die_c:.1f} C"
    if figures.dose is not None:
        rows["dose"] = f"{figures.dose.krad_per_year:.3g} krad a year"
    return [[name, value] for name, value in rows.items()]
