"""The survey of a flight, as text and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.errors import SetupError, UsageError
from hil.extras import install_command
from hil.plant.survey_figures import SurveyFigures
from hil.views.style import DIM, HEAD, WARN, Glyphs, flight_time

__all__ = ["draw", "require_plotting", "summary"]

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


def summary(
    name: str, figures: SurveyFigures, columns: Mapping[str, Sequence[float]], glyphs: Glyphs
) -> RenderableType:
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
    for label, column, unit in (*_STRIPS, *_hottest(columns)):
        if column in columns:
            values = [float(v) for v in columns[column]]
            strips.add_row(label, _spark(values, glyphs), _range(values, unit))
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
    out.extend(_rates(f))
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


def _rates(f: SurveyFigures) -> list[tuple[str, Text | str]]:
    """Return the upsets per day, one line for equal boards; with acceleration both rates."""
    groups: dict[tuple[float, ...], list[str]] = {}
    for name, board in f.boards.items():
        groups.setdefault(tuple(board.upsets_per_day.values()), []).append(name)
    out: list[tuple[str, Text | str]] = []
    for names in groups.values():
        board = f.boards[names[0]]
        rates = {kind.upper(): rate for kind, rate in board.upsets_per_day.items() if rate}
        real = ", ".join(f"{rate / f.accel:.3g} {kind}" for kind, rate in rates.items())
        out.append((f"node {', '.join(names)}", f"{board.profile}: {real or 'no upsets'} a day"))
        if f.accel != 1 and real:
            fast = ", ".join(f"{rate:.3g} {kind}" for kind, rate in rates.items())
            out.append(("", Text(f"ACCELERATED {f.accel:g}x: {fast} a day", style=WARN)))
    return out


def _hottest(columns: Mapping[str, Sequence[float]]) -> list[tuple[str, str, str]]:
    """Return the hottest chip, the battery and the radiator, where the flight has them."""
    begin = "temperature_c."
    chips = [c for c in columns if c.startswith(begin) and c.endswith(".junction")]
    out = []
    if chips:
        hottest = max(chips, key=lambda c: max(columns[c]))
        out.append((f"chip {hottest[len(begin) : -len('.junction')]}", hottest, "°C"))
    out += [(part, begin + part, "°C") for part in ("battery", "radiator")]
    return out


def _spark(values: list[float], glyphs: Glyphs) -> str:
    marks = _ASCII_SPARKS if glyphs.dot == "-" else _SPARKS
    low, high = min(values), max(values)
    out = []
    for cell in range(_WIDTH):
        a = cell * len(values) // _WIDTH
        b = max(a + 1, (cell + 1) * len(values) // _WIDTH)
        mean = sum(values[a:b]) / (b - a)
        share = (mean - low) / (high - low) if high > low else float(high > 0)
        out.append(marks[round(share * (len(marks) - 1))])
    return "".join(out)


def _range(values: list[float], unit: str) -> str:
    low, high = min(values), max(values)
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


def draw(
    path: Path, name: str, figures: SurveyFigures, columns: Mapping[str, Sequence[float]]
) -> None:
    """Draw the course of a flight into a file (png, svg or pdf).

    Raises: as `require_plotting`; SetupError if the file cannot be written."""
    require_plotting(path)
    import matplotlib as mpl  # noqa: PLC0415  (heavy, and an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    hours = [t / 3600.0 for t in columns["t_s"]]
    chips = [c for c in columns if c.startswith("temperature_c.")]
    panels: list[tuple[str, list[str]]] = [
        (_SUNLIGHT, ["illumination"]),
        ("protons /cm²/s", ["flux_per_cm2_s"]),
        ("battery charge", ["soc"]),
        ("power W", ["load_w", "battery_w"]),
        ("temperature °C", chips),
        (_LEVELS, [c for c in columns if c.startswith("level.")]),
    ]
    panels = [(label, [c for c in names if c in columns]) for label, names in panels]
    panels = [(label, names) for label, names in panels if names]
    figure, axes = plt.subplots(
        len(panels), 1, sharex=True, figsize=(10, 1.7 * len(panels)), squeeze=False
    )
    for axis, (label, names) in zip(axes[:, 0], panels, strict=True):
        for column in names:
            axis.plot(hours, columns[column], linewidth=0.9, label=column.split(".", 1)[-1])
        axis.set_ylabel(label, fontsize=8)
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        if label == _LEVELS:
            axis.set_yticks(range(4), ["off", "suspend", "capped", "full"], fontsize=7)
            axis.set_ylim(-0.3, 3.3)
        if label == _SUNLIGHT:
            axis.set_yticks([0, 1])
    accel = "" if figures.accel == 1 else f", upset rates accelerated {figures.accel:g}x"
    axes[0, 0].set_title(f"{name}{accel}", fontsize=10)
    axes[-1, 0].set_xlabel("hours")
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"cannot draw {path}: {error}", remedy="name a file ending in .png, .svg or .pdf"
        ) from None
    finally:
        plt.close(figure)
