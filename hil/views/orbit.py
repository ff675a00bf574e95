"""The survey of a flight, as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.errors import SetupError, UsageError
from hil.extras import install_command
from hil.plant.course import Course, CourseColumn
from hil.plant.survey_figures import SurveyFigures
from hil.views.orbit_cycles import cycle_lines
from hil.views.orbit_dose import dose_lines, draw_depth_dose
from hil.views.orbit_rates import grouped_rate_lines
from hil.views.style import DIM, HEAD, Glyphs, flight_time

__all__ = ["draw", "require_plotting", "save_figure", "summary"]

_PICTURES: Final = (".png", ".svg", ".pdf")

_SPARKS: Final = " ▁▂▃▄▅▆▇█"
_ASCII_SPARKS: Final = " .:-=+*#@"
_WIDTH: Final = 44
_LEVELS: Final = "level of boards"
_SUNLIGHT: Final = "sunlight"
_STRIPS: Final = (
    ("sunlight", "illumination", ""),
    ("flux", "flux_per_cm2_s", "/cm²/s"),
    ("battery", "soc", ""),
    ("load", "load_w", "W"),
)


def summary(name: str, figures: SurveyFigures, course: Course, glyphs: Glyphs) -> RenderableType:
    """Return the figures of a flight, and its course in a line each."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style=DIM)
    table.add_column()
    for label, text in _lines(figures):
        table.add_row(label, text)
    strips = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    strips.add_column(style=DIM)
    strips.add_column()
    strips.add_column(justify="right")
    for label, name_of_column, unit in (*_STRIPS, *_hottest(course)):
        if name_of_column in course:
            column = course.columns[name_of_column]
            strips.add_row(label, _spark(column, glyphs), _range(column, unit))
    title = Text(f"{name}: {flight_time(round(figures.duration_s * 1e6))} of flight", style=HEAD)
    return Group(title, Text(""), table, Text(""), strips)


def _lines(f: SurveyFigures) -> list[tuple[str, Text | str]]:
    out: list[tuple[str, Text | str]] = []
    if f.orbit is not None:
        heights = f"{f.orbit.perigee_km:.0f}"
        if abs(f.orbit.apogee_km - f.orbit.perigee_km) >= 1:
            heights += f" to {f.orbit.apogee_km:.0f}"
        out.append(
            (
                "orbit",
                f"{heights} km, {f.orbit.inclination_deg:.2f}°, {f.orbit.period_s / 60:.1f} min, "
                f"from {f.orbit.start_utc[:16].replace('T', ' ')} UTC",
            )
        )
    if f.sunlit is not None:
        eclipses = "no eclipse"
        if f.eclipses:
            eclipses = f"{f.eclipses} eclipses, the longest {f.longest_eclipse_s / 60:.1f} min"
        beta = f.beta_deg
        angle = "" if beta is None else f", beta {beta[0]:.1f}° to {beta[1]:.1f}°"
        out.append(("sun", f"{100 * f.sunlit:.1f} % sunlit, {eclipses}{angle}"))
    out.append(
        (
            "protons",
            f"mean {f.mean_flux_per_cm2_s:.3g}, peak {f.peak_flux_per_cm2_s:.4g} "
            f"/cm²/s; {f.saa_passes} passes of high flux, "
            f"{100 * f.saa_share:.1f} % of the time",
        )
    )
    out.extend(grouped_rate_lines({name: board.rates for name, board in f.boards.items()}))
    if f.dose is not None:
        out.extend(dose_lines(f.dose))
    out.extend(cycle_lines(f.cycles))
    if f.contacts:
        out.append(("ground", f"{f.contacts} contacts, {f.contact_s / 60:.0f} min"))
    if f.spacecraft is not None:
        craft = f.spacecraft
        out += [
            ("spacecraft", f"array {craft.array_m2:.2f} m², battery {craft.battery_wh:.0f} Wh"),
            (
                "worst case",
                f"battery never below {100 * craft.min_soc:.0f} %, "
                f"chips never above {craft.max_die_c:.0f} °C",
            ),
            ("energy", f"balance residual {craft.energy_residual:.1e}"),
        ]
    return out


def _hottest(course: Course) -> list[tuple[str, str, str]]:
    """Return the hottest chip, the battery and the radiator, where the flight has them."""
    begin = "temperature_c."
    chips = [c for c in course.columns if c.startswith(begin) and c.endswith(".junction")]
    out = []
    if chips:
        hottest = max(chips, key=lambda c: float(course.columns[c].high.max()))
        out.append((f"chip {hottest[len(begin) : -len('.junction')]}", hottest, "°C"))
    out += [(part, begin + part, "°C") for part in ("battery", "radiator")]
    return out


def _spark(column: CourseColumn, glyphs: Glyphs) -> str:
    marks = _ASCII_SPARKS if glyphs.dot == "-" else _SPARKS
    values = column.mean
    low, high = float(column.low.min()), float(column.high.max())
    out = []
    for cell in range(_WIDTH):
        a = cell * len(values) // _WIDTH
        b = max(a + 1, (cell + 1) * len(values) // _WIDTH)
        mean = float(values[a:b].mean())
        share = (mean - low) / (high - low) if high > low else float(high > 0)
        out.append(marks[round(share * (len(marks) - 1))])
    return "".join(out)


def _range(column: CourseColumn, unit: str) -> str:
    low, high = float(column.low.min()), float(column.high.max())
    if not unit:
        return f"{100 * low:.0f} to {100 * high:.0f} %"
    return f"{low:.4g} to {high:.4g} {unit}"


def require_plotting(path: Path) -> None:
    """Check that a picture can be drawn into the file `path`.

    Raises: UsageError if its ending is not that of a picture; SetupError without matplotlib."""
    if path.suffix.lower() not in _PICTURES:
        raise UsageError(
            f"{path} is not a kind of picture that can be drawn",
            remedy=f"end it in {', '.join(_PICTURES)}",
        )
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415  (heavy, and an extra)
    except ImportError:
        raise SetupError(
            "pictures need matplotlib, which is not installed",
            remedy=install_command("plot"),
        ) from None


def draw(path: Path, name: str, figures: SurveyFigures, course: Course) -> None:
    """Draw the course of a flight into a file (png, svg or pdf). Where a flight has more rows than
    a picture has pixels, a line is the mean, and the band around it reaches from the lowest to the
    highest value.

    Raises: as `require_plotting`; SetupError if the file cannot be written."""
    require_plotting(path)
    import matplotlib as mpl  # noqa: PLC0415  (heavy, and an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    panels = _panels(course)
    rows = [1.7] * len(panels) + ([] if figures.dose is None else [3.0])
    figure = plt.figure(figsize=(10, sum(rows)))
    grid = figure.add_gridspec(len(rows), 1, height_ratios=rows)
    axes: list[Any] = []
    for row, (label, names) in enumerate(panels):
        axes.append(figure.add_subplot(grid[row], sharex=axes[0] if axes else None))
        _fill_panel(axes[-1], label, names, course)
        axes[-1].tick_params(labelbottom=row == len(panels) - 1)
    accel = "" if figures.accel == 1 else f", upset rates accelerated {figures.accel:g}x"
    axes[0].set_title(f"{name}{accel}", fontsize=10)
    axes[-1].set_xlabel(_time_axis(course)[1])
    if figures.dose is not None:
        draw_depth_dose(figure.add_subplot(grid[-1]), figures.dose)
    save_figure(figure, path)


def _panels(course: Course) -> list[tuple[str, list[str]]]:
    """Return the panels that the flight has values for, each with its columns."""
    panels: list[tuple[str, list[str]]] = [
        (_SUNLIGHT, ["illumination"]),
        ("protons /cm²/s", ["flux_per_cm2_s"]),
        ("battery charge", ["soc"]),
        ("power W", ["load_w", "battery_w"]),
        ("temperature °C", [c for c in course.columns if c.startswith("temperature_c.")]),
        (_LEVELS, [c for c in course.columns if c.startswith("level.")]),
    ]
    panels = [(label, [c for c in names if c in course]) for label, names in panels]
    return [(label, names) for label, names in panels if names]


def _time_axis(course: Course) -> tuple[float, str]:
    """Return how many seconds a unit of the time axis has, and its name."""
    return (86_400.0, "days") if float(course.t_s[-1]) > 4 * 86_400.0 else (3600.0, "hours")


def _fill_panel(axis: Any, label: str, names: Sequence[str], course: Course) -> None:
    times = course.t_s / _time_axis(course)[0]
    for name in names:
        column = course.columns[name]
        (line,) = axis.plot(times, column.mean, linewidth=0.9, label=name.split(".", 1)[-1])
        if not course.exact:
            band = {"color": line.get_color(), "alpha": 0.25, "linewidth": 0}
            axis.fill_between(times, column.low, column.high, **band)
    axis.set_ylabel(label, fontsize=8)
    axis.grid(alpha=0.3)
    if len(names) > 1:
        axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    if label == _LEVELS:
        axis.set_yticks(range(4), ["off", "suspend", "capped", "full"], fontsize=7)
        axis.set_ylim(-0.3, 3.3)
    if label == _SUNLIGHT:
        axis.set_yticks([0, 1])


def save_figure(figure: Any, path: Path) -> None:
    """Save a figure and close it. Raises: SetupError if the file cannot be written."""
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure.tight_layout()
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"cannot draw {path}: {error}", remedy="name a file ending in .png, .svg or .pdf"
        ) from None
    finally:
        plt.close(figure)
