"""A sweep of orbits as a table, as CSV and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.analysis.scheme_reliability import SCHEMES, Criterion, SchemePoint, enough_up_to
from hil.plant.board_rates import STOPS, VOTED, BoardRates
from hil.plant.survey_figures import SurveyFigures
from hil.plant.sweep import Axis, SweepPoint
from hil.views.orbit import require_plotting, save_figure
from hil.views.style import DIM, HEAD, Glyphs, plural

__all__ = ["SweepView"]

_ALTITUDE: Final = "altitude_km"
_UNITS: Final = {"km": "km", "deg": "°", "h": "h", "al": "mm Al"}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its heading in the table, its name in CSV, its label in the picture, and its
    value; None where there is none."""

    heading: str
    name: str
    label: str
    value: Callable[[SurveyFigures], float | None]
    logarithmic: bool = False


def _rates(f: SurveyFigures) -> BoardRates:
    """Return the rates of the first node's board."""
    return next(iter(f.boards.values())).rates


_COLUMNS: Final = (
    _Column("protons", "mean_flux_per_cm2_s", "protons /cm²/s",
            lambda f: f.mean_flux_per_cm2_s, logarithmic=True),
    _Column("upsets", "upsets_per_day", "upsets a day in a board",
            lambda f: _rates(f).upsets.best, logarithmic=True),
    _Column("in voted data", "voted_upsets_per_day", "upsets a day in voted data",
            lambda f: _rates(f).of(*VOTED).best, logarithmic=True),
    _Column("stops (SEFI)", "stops_per_day", "hangs and reboots a day",
            lambda f: _rates(f).of(*STOPS).best, logarithmic=True),
    _Column("krad/y", "krad_per_year", "dose krad(Si) a year",
            lambda f: None if f.dose is None else f.dose.krad_per_year, logarithmic=True),
    _Column("sunlit %", "sunlit_percent", "sunlit %",
            lambda f: None if f.sunlit is None else 100.0 * f.sunlit),
    _Column("eclipse min", "longest_eclipse_min", "longest eclipse min",
            lambda f: f.longest_eclipse_s / 60.0),
    _Column("radiator m²", "radiating_m2", "radiating area m²",
            lambda f: None if f.spacecraft is None else f.spacecraft.radiating_m2),
    _Column("array m²", "array_m2", "array m²",
            lambda f: None if f.spacecraft is None else f.spacecraft.array_m2),
)  # fmt: skip
_IN_PICTURE: Final = ("upsets_per_day", "stops_per_day", "krad_per_year", "longest_eclipse_min",
                      "radiating_m2")  # fmt: skip


@dataclass(frozen=True, slots=True)
class SweepView:
    """The views of one sweep; `schemes` has an entry for each point, or none without a campaign."""

    name: str
    axes: Sequence[Axis]
    points: Sequence[SweepPoint]
    schemes: Sequence[SchemePoint] = ()
    criterion: Criterion | None = None

    def report(self, glyphs: Glyphs) -> RenderableType:
        """Return the table of the sweep, and up to which altitude each scheme is enough."""
        table = Table(box=None, pad_edge=False, header_style=HEAD)
        shown = [c for c in _COLUMNS if c.value(self.points[0].figures) is not None]
        for axis in self.axes:
            table.add_column(_axis_label(axis.key), justify="right")
        for column in shown:
            table.add_column(column.heading, justify="right")
        for scheme in SCHEMES if self.schemes else ():
            table.add_column(scheme, justify="right")
        for number, point in enumerate(self.points):
            cells = [f"{value:g}" for value in point.values]
            cells += [_number(column.value(point.figures), glyphs) for column in shown]
            if self.schemes:
                cells += [_share(value) for value in self.schemes[number].best]
            table.add_row(*cells)
        first = self.points[0].figures
        board = next(iter(first.boards.values())).profile
        days = f"{first.duration_s / 86_400.0:g}"
        flown = "a day" if days == "1" else f"{days} days"
        title = f"{self.name}: {plural(len(self.points), 'orbit')}, {flown} of each, on {board}"
        rates = Text(
            "upsets, and stops (hangs, reboots) a day of one board, not accelerated", style=DIM
        )
        parts: list[RenderableType] = [Text(title, style=HEAD), rates, Text(""), table]
        if self.criterion is not None and self.schemes:
            parts += [Text(""), *self._verdicts(self.criterion)]
        return Group(*parts)

    def _verdicts(self, criterion: Criterion) -> list[Text]:
        lines = [
            Text(
                f"Enough: no failure in {criterion.mission_days:g} days with a probability of "
                f"{criterion.reliability:g}; scrubbing repairs a node after "
                f"{criterion.scrub_days * 24.0:g} h on average",
                style=HEAD,
            ),
            Text(
                "A failure is anything but a right answer: by the campaign's faults, by SEFI and "
                "latch-up. Nodes fail independently, the voter does not.",
                style=DIM,
            ),
        ]
        if all(axis.key != _ALTITUDE for axis in self.axes):
            return [*lines, Text("sweep altitude_km to learn up to which altitude", style=DIM)]
        for group, label in self._groups(_ALTITUDE):
            lines += [
                Text(f"{name}{label}: {self._enough(group, number)}")
                for number, name in enumerate(SCHEMES)
            ]
        return lines

    def _enough(self, group: Sequence[int], scheme: int) -> str:
        assert self.criterion is not None
        at = [axis.key for axis in self.axes].index(_ALTITUDE)
        altitudes = [self.points[i].values[at] for i in group]
        wanted, out = self.criterion.reliability, []
        for ends in ("best", "pessimistic"):
            values = [
                (self.schemes[i].best if ends == "best" else self.schemes[i].pessimistic)[scheme]
                for i in group
            ]
            highest = enough_up_to(altitudes, values, wanted)
            if highest is None:
                out.append(f"not even at {min(altitudes):g} km")
            elif highest == max(altitudes):
                out.append(f"at all altitudes up to {highest:g} km")
            else:
                out.append(f"up to {highest:g} km")
        best, pessimistic = out
        return best if best == pessimistic else f"{best}; with the highest rates {pessimistic}"

    def _groups(self, key: str) -> list[tuple[list[int], str]]:
        """Return the numbers of the points with the same values of all axes but `key`, and these
        values as text."""
        other = [i for i, axis in enumerate(self.axes) if axis.key != key]
        groups: dict[tuple[float, ...], list[int]] = {}
        for number, point in enumerate(self.points):
            groups.setdefault(tuple(point.values[i] for i in other), []).append(number)
        return [
            (
                members,
                "".join(
                    f", {_axis_label(self.axes[i].key)} {value:g}"
                    for i, value in zip(other, values, strict=True)
                ),
            )
            for values, members in groups.items()
        ]

    def csv_rows(self) -> list[list[str]]:
        """Return the table as rows of CSV, the header first."""
        shown = [c for c in _COLUMNS if c.value(self.points[0].figures) is not None]
        names = [axis.key for axis in self.axes] + [column.name for column in shown]
        if self.schemes:
            names += ["node_failures_per_day"]
            names += [f"reliability_{name.replace(' ', '_').lower()}" for name in SCHEMES]
        out = [names]
        for number, point in enumerate(self.points):
            values = [*point.values, *(column.value(point.figures) for column in shown)]
            if self.schemes:
                one = self.schemes[number]
                values += [one.node_per_day.best, *one.best]
            out.append(["" if value is None else f"{value:.9g}" for value in values])
        return out

    def draw(self, path: Path) -> None:
        """Draw the sweep over its first axis, with a line for each combination of the others.

        Raises: as `hil.views.orbit.require_plotting` and `save_figure`."""
        require_plotting(path)
        import matplotlib as mpl  # noqa: PLC0415  (heavy, and an extra)

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415

        columns = [c for c in _COLUMNS if c.name in _IN_PICTURE]
        columns = [c for c in columns if c.value(self.points[0].figures) is not None]
        panels = len(columns) + bool(self.schemes)
        rows = (panels + 1) // 2
        figure, axes = plt.subplots(rows, 2, sharex=True, figsize=(10, 2.6 * rows), squeeze=False)
        flat = list(axes.ravel())
        for axis, column in zip(flat, columns, strict=False):
            self._curve(axis, column)
        if self.schemes:
            self._reliabilities(flat[len(columns)])
        for axis in flat[panels:]:
            axis.set_visible(False)
        for axis in flat[max(0, panels - 2) : panels]:
            axis.set_xlabel(_axis_label(self.axes[0].key))
            axis.tick_params(labelbottom=True)
        figure.suptitle(f"{self.name}: {plural(len(self.points), 'orbit')}", fontsize=10)
        save_figure(figure, path)

    def _curve(self, axis: Any, column: _Column) -> None:
        groups = self._groups(self.axes[0].key)
        for members, label in groups:
            xs = [self.points[i].values[0] for i in members]
            ys = [column.value(self.points[i].figures) for i in members]
            axis.plot(xs, ys, marker=".", markersize=3, linewidth=1, label=label.lstrip(", "))
        if column.logarithmic and all((column.value(p.figures) or 0.0) > 0 for p in self.points):
            axis.set_yscale("log")
        else:
            highest = max(column.value(p.figures) or 0.0 for p in self.points)
            axis.set_ylim(0.0, 1.08 * highest if highest > 0.0 else 1.0)
        axis.set_ylabel(column.label, fontsize=8)
        axis.grid(alpha=0.3)
        if len(groups) > 1:
            axis.legend(fontsize=6)

    def _reliabilities(self, axis: Any) -> None:
        for scheme, name in enumerate(SCHEMES):
            for number, (members, label) in enumerate(self._groups(self.axes[0].key)):
                axis.plot(
                    [self.points[i].values[0] for i in members],
                    [self.schemes[i].best[scheme] for i in members],
                    color=f"C{scheme}",
                    linestyle=("-", "--", ":", "-.")[number % 4],
                    linewidth=1,
                    label=f"{name}{label}",
                )
        if self.criterion is not None:
            axis.axhline(self.criterion.reliability, color="grey", linewidth=0.8)
        axis.set_ylim(-0.02, 1.02)
        axis.set_ylabel("reliability", fontsize=8)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)


def _axis_label(key: str) -> str:
    words, _, unit = key.rpartition("_")
    if unit in _UNITS and words:
        return f"{words.removesuffix('_mm').replace('_', ' ')} {_UNITS[unit]}"
    return key.replace("_", " ")


def _number(value: float | None, glyphs: Glyphs) -> str:
    return glyphs.none if value is None else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{value:.4f}" if value < 0.9999 else f"1-{1.0 - value:.0e}"
