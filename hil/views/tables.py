"""The output of `hil check`, `hil doctor`, `hil perf` and `hil replay --verify`.

Each takes values by a protocol, not by their class: the engine's modules are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hil.check_state import CheckState
from hil.printable import one_line
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, Glyphs, plural

__all__ = [
    "check_lines",
    "doctor_line",
    "doctor_verdict",
    "perf_row",
    "perf_verdict",
    "verification",
]


class _Checked(Protocol):
    @property
    def file(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def summary(self) -> str: ...
    @property
    def expects(self) -> str: ...
    @property
    def campaign_mode(self) -> str: ...


class _Finding(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> CheckState: ...
    @property
    def found(self) -> str: ...
    @property
    def means(self) -> str: ...
    @property
    def remedy(self) -> str: ...


class _PerfRow(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def reference_value(self) -> float | None: ...
    @property
    def ratio(self) -> float | None: ...
    @property
    def target(self) -> str: ...
    @property
    def ok(self) -> bool | None: ...
    @property
    def note(self) -> str: ...
    @property
    def computed(self) -> bool: ...


class _Verified(Protocol):
    @property
    def ok(self) -> bool: ...
    @property
    def complete(self) -> bool: ...
    @property
    def frames(self) -> int: ...
    @property
    def notable(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def run_digest(self) -> str: ...
    @property
    def record_digest(self) -> str: ...
    @property
    def empty(self) -> bool: ...
    @property
    def covered(self) -> Sequence[str]: ...
    @property
    def not_covered(self) -> Sequence[str]: ...
    @property
    def differences(self) -> Sequence[object]: ...
    @property
    def count(self) -> int: ...


def check_lines(files: Sequence[_Checked], glyphs: Glyphs) -> RenderableType:
    """Return a line for each valid file; for a scenario one more, with its expectations."""
    out = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column(no_wrap=True)
    out.add_column(overflow="fold")
    out.add_column(style=DIM)
    for file in files:
        name = Text(one_line(file.file))  # escaped here, so that its column is wide enough
        out.add_row(Text(f"{glyphs.ok} ok", style=GOOD), name, Text(file.summary))
        if file.expects:
            out.add_row("", "", Text(file.expects))
        if file.campaign_mode:
            out.add_row(Text(glyphs.warn, style=WARN), "", f"for campaigns: {file.campaign_mode}")
    return out


_STATES = {
    CheckState.OK: ("ok", GOOD),
    CheckState.WARN: ("warn", WARN),
    CheckState.MISSING: ("MISSING", BAD),
}


def doctor_line(check: _Finding, glyphs: Glyphs) -> RenderableType:
    """Return one check; if it is not ok, with its meaning and its remedy."""
    word, style = _STATES[check.state]
    marks = {CheckState.OK: glyphs.ok, CheckState.WARN: glyphs.warn}
    glyph = marks.get(check.state, glyphs.bad)
    out = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    out.add_column(width=10, no_wrap=True)
    out.add_column(width=15, no_wrap=True)
    out.add_column(overflow="fold")
    cell = Text(check.found)
    if check.state is not CheckState.OK:
        cell.append(f"\nneeded so that {check.means}", style=DIM)
        if check.remedy:
            cell.append(f"\ntry: {check.remedy}", style=HEAD)
    out.add_row(Text(f" {glyph} {word}", style=style), Text(check.name), cell)
    return out


def doctor_verdict(checks: Sequence[_Finding], possible: bool, glyphs: Glyphs) -> RenderableType:
    """Return a line with the verdict: whether scenarios can be run on this computer."""
    if not possible:
        return Text(f"\n {glyphs.bad} scenarios cannot be run here yet", style=BAD)
    rest = sum(check.state is not CheckState.OK for check in checks)
    but = f", with {plural(rest, 'limitation')}" if rest else ""
    style = WARN if rest else GOOD
    return Text.assemble(
        (f"\n {glyphs.ok} scenarios can be run here on software boards{but}", style),
        ("\n   hil run quickstart", ""),
    )


def perf_row(row: _PerfRow, glyphs: Glyphs) -> RenderableType:
    """Return a measurement with its target, and beneath it the reference."""
    out = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0), width=80)
    out.add_column(width=2, no_wrap=True)
    out.add_column(ratio=1)
    out.add_column(width=16, justify="right", no_wrap=True)
    out.add_column(width=22)
    mark = Text(f" {glyphs.none}", style=DIM)
    if row.ok is not None:
        good = row.ok
        mark = Text(f" {glyphs.ok if good else glyphs.bad}", style=GOOD if good else BAD)
    out.add_row(mark, row.name, f"{_amount(row.value)} {row.unit}", row.target)
    if row.reference:
        reference = "" if row.reference_value is None else _amount(row.reference_value)
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}x that"
        unit = f" {row.unit}" if reference else ""
        what = f"  {row.reference}, computed" if row.computed else f"  {row.reference}"
        out.add_row("", what, f"{reference}{unit}", ratio, style=DIM)
    if not row.note:
        return out
    return Group(out, Padding(Text(row.note, style=DIM), (0, 0, 0, 5)))


def perf_verdict(rows: Sequence[_PerfRow], glyphs: Glyphs) -> RenderableType:
    """Return a line with the verdict: whether the targets are met."""
    missed = sum(row.ok is False for row in rows)
    judged = sum(row.ok is not None for row in rows)
    if missed:
        text = f"{missed} of {plural(judged, 'target')} missed"
        return Text(f"\n {glyphs.bad} {text} on this computer", style=BAD)
    return Text(f"\n {glyphs.ok} all {plural(judged, 'target')} met on this computer", style=GOOD)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _whole(text: str) -> Text:
    """Return a line that is neither wrapped nor cut."""
    return Text(text, no_wrap=True, overflow="ignore")


def verification(v: _Verified, what: str, glyphs: Glyphs) -> RenderableType:
    """Return the result of a verification: the record agrees, or its first difference."""
    extent = f"{plural(v.frames, 'frame')} voted again"
    details = Text(
        f"   {extent}; {plural(v.notable, 'notable frame')} and {plural(v.outputs, 'output')} "
        "compared",
        style=DIM,
    )
    parts: list[RenderableType] = []
    if v.ok:
        parts.append(Text(f" {glyphs.ok} verified: {what}", style=GOOD))
    elif not v.count:
        parts.append(Text(f" {glyphs.bad} NOT verified: {what}", style=BAD))
        parts.append(Text("   no frame was recorded: there is nothing to vote again"))
    else:
        parts.append(Text(f" {glyphs.bad} DIFFERS: {what}", style=BAD))
        parts.append(_whole(f"   first: {v.differences[0]}"))
        rest = list(v.differences[1:4])
        parts += [_whole(f"   then:  {difference}") for difference in rest]
        if v.count > 1 + len(rest):
            parts.append(Text(f"   and {v.count - 1 - len(rest):,} more"))
    parts.append(details)
    parts += [Text(f"   {line}", style=DIM) for line in v.covered]
    parts.append(_whole(f"   run digest {v.run_digest}"))
    if v.record_digest:
        parts.append(_whole(f"   record digest {v.record_digest}"))
    parts += [Text(f"   not covered: {line}", style=DIM) for line in v.not_covered]
    if not v.complete:
        parts.append(
            Text(f" {glyphs.warn} the run is not finished: verified as far as it goes", style=WARN)
        )
    return Group(*parts)
