"""The program of a campaign's page: functions, source and disassembly, each with the faults that it
is the first to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.record.campaign_rows import EFFECTS
from hil.report.campaign_figures import CampaignFigures, Group, by_function, by_line
from hil.report.campaign_sections import effect_bar, effect_name, present_effects
from hil.report.markup import count_text, element, percent_text, table, text
from hil.upsets.words import NodeEffect
from hil.views.style import plural

__all__ = ["disassembly_section", "function_section", "source_section"]

_TOP: Final = 20
_CONTEXT: Final = 3
_SDC: Final = EFFECTS.index(NodeEffect.SDC)
_WITHOUT_SYMBOLS: Final = (
    "The executable that ran has no symbols, or is not on the computer that made the campaign: "
    "instructions are named by their addresses, and no source can be shown."
)
_WITHOUT_LINES: Final = (
    "The executable that ran has symbols, but no line tables (DWARF): instructions are named by "
    "their functions, and no source can be shown."
)

Counts = npt.NDArray[np.int64]


def function_section(figures: CampaignFigures) -> str:
    """Return the table of functions, and what is missing to name more."""
    rows = figures.instructions
    groups = by_function(figures)
    if not groups:
        return element("p", _WITHOUT_SYMBOLS, class_="note")
    effects = present_effects(figures.summary)
    head = ["function", "file", "executed", "faults read", *map(effect_name, effects), ""]
    all_sdc = int(figures.read_by[:, _SDC].sum())
    if all_sdc:
        head.insert(-1, "of all SDC")
    most = max(int(_without_masked(group.counts).sum()) for group in groups)
    cells = [_function_row(group, effects, all_sdc, most) for group in groups[:_TOP]]
    hidden = len(groups) - len(cells)
    more = f"{plural(hidden, 'more function')} with fewer reads: see below. " if hidden > 0 else ""
    lines = "" if any(row.file for row in rows) else _WITHOUT_LINES
    note = element("p", more + lines, class_="note") if more or lines else ""
    return table(head, cells, name="share names") + note


def _function_row(
    group: Group, effects: Sequence[NodeEffect], all_sdc: int, most: int
) -> list[str]:
    shares = [count_text(int(group.counts[EFFECTS.index(effect)])) for effect in effects]
    file = text(group.file.rpartition("/")[2])
    whole = int(group.counts.sum())
    row = [
        element("a", text(group.name), href=f"#f-{text(group.name)}", class_="code"),
        element("span", file, title=group.file),
        count_text(group.executions),
        count_text(whole),
        *shares,
    ]
    if all_sdc:
        row.append(percent_text(int(group.counts[_SDC]), all_sdc, 1))
    return [*row, effect_bar(_without_masked(group.counts), most)]


def _without_masked(counts: Counts) -> Counts:
    shown: Counts = counts.copy()
    shown[0] = 0
    return shown


# --- source ---------------------------------------------------------------------------------------


def source_section(figures: CampaignFigures) -> str:
    """Return the source files of the step, each line with the faults that its instructions read;
    empty without line tables."""
    lines = by_line(figures)
    if not lines:
        return ""
    texts = {source.file: source.text.splitlines() for source in figures.step.sources}
    most = max(int(_without_masked(group.counts).sum()) for group in lines.values())
    silent = dict.fromkeys(sorted({file for file, _ in lines}), 0)
    for (file, _), group in lines.items():
        silent[file] += int(group.counts[_SDC])
    files = sorted(silent, key=lambda name: -silent[name])
    parts = []
    for number, file in enumerate(files):
        mine = {line: group for (name, line), group in lines.items() if name == file}
        parts.append(_source_file(file, mine, texts.get(file, []), most, is_open=number == 0))
    return "".join(parts)


def _source_file(
    file: str, lines: dict[int, Group], content: Sequence[str], most: int, *, is_open: bool
) -> str:
    """Return one file: the lines that are executed, and some around them; all others folded."""
    wanted = sorted(
        {
            near
            for line in lines
            for near in range(line - _CONTEXT, line + _CONTEXT + 1)
            if near in lines or 1 <= near <= len(content)
        }
    )
    rows: list[str] = []
    before = 0
    for line in wanted:
        if line > before + 1:
            rows.append("<tr class=idle><td></td><td></td><td></td><td></td><td>⋮</td></tr>")
        rows.append(_source_row(line, lines.get(line), content, most))
        before = line
    missing = (
        ""
        if content
        else element(
            "p",
            "The text of this file was not on the computer that made the campaign.",
            class_="note",
        )
    )
    head = _listing_head("executed", "line", "")
    body = element("table", head + "".join(rows), class_="listing")
    silent = sum(int(group.counts[_SDC]) for group in lines.values())
    title = f"{text(file)} <span class=note>{plural(silent, 'silent corruption')}</span>"
    opened = " open" if is_open else ""
    inner = element("div", body, class_="wide")
    return f"<details{opened}><summary>{title}</summary>{missing}{inner}</details>"


def _source_row(line: int, group: Group | None, content: Sequence[str], most: int) -> str:
    source = text(content[line - 1]) if 0 < line <= len(content) else ""
    if group is None:
        return f"<tr class=idle><td></td><td></td><td></td><td>{line}</td><td>{source}</td></tr>"
    return (
        f"<tr><td>{effect_bar(_without_masked(group.counts), most)}</td>"
        f"<td>{_silent(group.counts)}</td><td>{count_text(group.executions)}</td>"
        f"<td>{line}</td><td>{source}</td></tr>"
    )


def _silent(counts: Counts) -> str:
    return count_text(int(counts[_SDC])) if counts[_SDC] else ""


def _listing_head(*names: str) -> str:
    heads = ["failures read", "SDC", *names]
    return element("tr", "".join(element("th", name, scope="col") for name in heads))


# --- disassembly ----------------------------------------------------------------------------------


def disassembly_section(figures: CampaignFigures) -> str:
    """Return the instructions of each function, with the source lines that they come from."""
    anchors: set[str] = set()
    return "".join(_function(name, members, figures, anchors) for name, members in _runs(figures))


def _runs(figures: CampaignFigures) -> Iterator[tuple[str, list[int]]]:
    """Yield the functions, by address, with the numbers of their instructions."""
    name, members = "", list[int]()
    for number, row in enumerate(figures.instructions):
        if members and row.symbol != name:
            yield name, members
            members = []
        name = row.symbol
        members.append(number)
    if members:
        yield name, members


def _function(
    name: str, members: Sequence[int], figures: CampaignFigures, anchors: set[str]
) -> str:
    """Return one function; the first of its name gets its anchor, and is added to `anchors`."""
    most = max(int(_without_masked(figures.read_by[number]).sum()) for number in members)
    texts = {source.file: source.text.splitlines() for source in figures.step.sources}
    rows: list[str] = []
    place = ("", 0)
    for number in members:
        row = figures.instructions[number]
        if row.file and (row.file, row.line) != place:
            place = (row.file, row.line)
            content = texts.get(row.file, [])
            source = content[row.line - 1].strip() if 0 < row.line <= len(content) else ""
            where = f"{row.file.rpartition('/')[2]}:{row.line}"
            label = f"{text(where)}   {text(source)}"
            rows.append(f"<tr class=from><td></td><td></td><td></td><td></td><td>{label}</td></tr>")
        counts = figures.read_by[number]
        rows.append(
            f'<tr id="i{row.address:x}"><td>{effect_bar(_without_masked(counts), most)}</td>'
            f"<td>{_silent(counts)}</td><td>{count_text(row.executions)}</td>"
            f"<td class=code>{row.address:x}</td><td>{text(row.text)}</td></tr>"
        )
    executed = sum(figures.instructions[number].executions for number in members)
    silent = int(figures.read_by[list(members), _SDC].sum())
    times = f"executed {plural(executed, 'time')}, {silent:,} SDC"
    note = f"{plural(len(members), 'instruction')}, {times}"
    title = f"{text(name or 'without a name')} <span class=note>{note}</span>"
    head = _listing_head("executed", "address", "")
    body = element("div", element("table", head + "".join(rows), class_="listing"), class_="wide")
    anchor = f' id="f-{text(name)}"' if name and name not in anchors else ""
    anchors.add(name)
    return f"<details{anchor}><summary>{title}</summary>{body}</details>"
