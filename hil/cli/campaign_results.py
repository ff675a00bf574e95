"""`hil campaign` with a result file: its table again, one of its experiments again, one under gdb,
and its merge with other parts of the campaign."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.campaign_proof import show_proof
from hil.cli.output import answer, say, show
from hil.cli.signals import interrupts_for_child
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hil.campaign.recall import RecalledStep
    from hil.campaign.repetition import Repetition
    from hil.record.campaign_file import CampaignFile
    from hil.record.campaign_rows import CampaignMeta
    from hil.record.recorded_experiment import RecordedExperiment
    from hil.views.style import Glyphs

__all__ = [
    "Gdb",
    "Merge",
    "Part",
    "Repeat",
    "ResultOrder",
    "ScenarioFile",
    "names_result",
    "print_result",
    "use_result",
]

_SUFFIXES: Final = (".campaign", ".proof")
_INPROC: Final = "inproc"
_WIDTH: Final = 100

Part = Annotated[
    str | None,
    typer.Option(metavar="K/N", help="Only part K of N: other computers do the others."),
]
Repeat = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Of a result: carry out one experiment again, and explain it."),
]
Gdb = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Of a result: stop at the upset of one experiment under gdb."),
]
Merge = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="RESULT",
        help="Of a result: put it together with other parts.",
        autocompletion=completion.results,
    ),
]
ScenarioFile = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="FILE",
        help="Of a result: where its scenario is now.",
        autocompletion=completion.scenarios,
    ),
]


@dataclass(frozen=True, slots=True)
class ResultOrder:
    """An order for the result file `path`: at most one of `repeat`, `gdb` and `merge`.
    `scenario`, `boards` and `workload`: instead of those that it names."""

    path: Path
    repeat: str | None = None
    gdb: str | None = None
    merge: Sequence[Path] | None = None
    out: Path | None = None
    scenario: str | None = None
    boards: str | None = None
    as_json: bool = False
    workload: str | None = None


def names_result(text: str) -> bool:
    """Return whether an argument names a result file, not a scenario."""
    from hil.record.campaign_file import is_database

    return text.endswith(_SUFFIXES) or is_database(Path(text))


def use_result(order: ResultOrder) -> int:
    """Do what is wanted of a result file; return the exit code."""
    wanted = [name for name in ("repeat", "gdb", "merge") if getattr(order, name)]
    if len(wanted) > 1:
        raise UsageError(f"--{wanted[0]} and --{wanted[1]} exclude each other")
    for path in (order.path, *(order.merge or ())):
        if not path.is_file():
            raise UsageError(f"there is no result file {path}")
    if _is_proof(order):
        show_proof(order.path, as_json=order.as_json)
        return Exit.PASS
    if order.out is not None and not order.merge:
        raise UsageError("--out with a result file is for --merge")
    if order.merge:
        return _merge(order, order.merge)
    if order.repeat:
        return _repeat(order, order.repeat)
    if order.gdb:
        return _debug(order, order.gdb)
    print_result(order.path, order.as_json)
    return Exit.PASS


def _is_proof(order: ResultOrder) -> bool:
    """Return whether a file is the proof of a scheme. Raises: UsageError if more is wanted of it
    than that it is printed; RecordError."""
    from hil.record.proof_file import is_proof

    if not is_proof(order.path):
        return False
    for name in ("repeat", "gdb", "merge", "out"):
        if getattr(order, name):
            raise UsageError(f"{order.path} is the proof of a scheme: --{name} is for campaigns")
    return True


def print_result(path: Path, as_json: bool) -> None:
    """Print the table of a result file, or its JSON. Raises: RecordError."""
    from hil.analysis.sample_summary import sample_summary
    from hil.record.campaign_file import CampaignFile
    from hil.record.campaign_summary import campaign_summary
    from hil.views.campaign import campaign_table
    from hil.views.sample_table import sample_table

    table: Callable[[Glyphs], RenderableType]
    with CampaignFile(path) as file:
        if file.meta.sampling is None:
            exact = campaign_summary(file)
            content, table = exact.as_json(), partial(campaign_table, exact)
        else:
            sample = sample_summary(file)
            content, table = sample.as_json(), lambda _: sample_table(sample)
    if as_json:
        answer({"result": str(path), **content})
    else:
        show(table)


def _merge(order: ResultOrder, others: Sequence[Path]) -> int:
    from hil.record.campaign_merge import merge_campaigns

    out = order.out
    if out is None:
        raise UsageError("--merge writes a new file", remedy="name it with --out FILE")
    if out.exists():
        raise UsageError(f"{out} exists already", remedy="name another file, or delete it")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}", remedy="make it first")
    merge_campaigns([order.path, *others], out)
    print_result(out, order.as_json)
    say(f"written: {out}")
    return Exit.PASS


def _repeat(order: ResultOrder, name: str) -> int:
    from hil.campaign.repeat import repeat_experiment
    from hil.record.campaign_file import CampaignFile
    from hil.views.campaign_repeat import repetition_table

    with CampaignFile(order.path) as file:
        if _is_in_process(file.meta, order):
            repetition = _repeated_in_process(order, file, name)
        else:
            with _recalled(order, file, name) as (recalled, recorded):
                repetition = repeat_experiment(recalled, file, recorded)
    if order.as_json:
        answer({"result": str(order.path), **repetition.as_json()})
    else:
        show(lambda glyphs: repetition_table(repetition, glyphs), width=_WIDTH)
    return Exit.PASS if repetition.is_equal else Exit.FAIL


def _is_in_process(meta: CampaignMeta, order: ResultOrder) -> bool:
    """Return whether a campaign was made on steps of this process. Raises: UsageError if other
    boards are wanted: they count another time."""
    is_in_process = meta.sampling is not None and meta.board == _INPROC
    if is_in_process and order.boards not in {None, _INPROC}:
        raise UsageError(
            f"{order.path} is of inproc boards, whose faults strike at ticks; {order.boards} "
            "boards count instructions",
            remedy="leave --boards out, or make a campaign on those boards",
        )
    return is_in_process


def _repeated_in_process(order: ResultOrder, file: CampaignFile, name: str) -> Repetition:
    from hil.campaign.inproc_repeat import repeat_in_process
    from hil.campaign.origin import scenario_of
    from hil.record.recorded_experiment import recorded_experiment

    recorded = recorded_experiment(file, name)
    scenario = scenario_of(file.meta, order.path, order.scenario, order.boards, order.workload)
    return repeat_in_process(scenario, file, recorded)


def _debug(order: ResultOrder, name: str) -> int:
    from hil.campaign.debugger import find_gdb, hand_over, write_commands
    from hil.record.campaign_file import CampaignFile
    from hil.views.campaign_repeat import fault_lines

    if order.as_json:
        raise UsageError("--gdb and --json exclude each other", remedy="--repeat has JSON")
    gdb = find_gdb()
    with (
        CampaignFile(order.path) as file,
        _for_debugger(order, file, name) as (recalled, recorded),
        TemporaryDirectory() as folder,
    ):
        handed = hand_over(recalled, file, recorded)
        lines = [f"{what:<10}  {line}" for what, line in fault_lines(name, handed.fault)]
        commands = write_commands(Path(folder), handed, lines)
        sys.stdout.flush()
        with interrupts_for_child():
            code = subprocess.run([gdb, "--quiet", "--command", commands], check=False).returncode
    if code:
        raise SetupError(f"gdb ended with code {code}")
    return Exit.PASS


def _for_debugger(
    order: ResultOrder, file: CampaignFile, name: str
) -> AbstractContextManager[tuple[RecalledStep, RecordedExperiment]]:
    if _is_in_process(file.meta, order):
        raise UsageError(
            f"{order.path} is of inproc boards, which have no worker that gdb could stop",
            remedy="--repeat works; for --gdb make a campaign with --boards process",
        )
    return _recalled(order, file, name)


@contextmanager
def _recalled(
    order: ResultOrder, file: CampaignFile, name: str
) -> Iterator[tuple[RecalledStep, RecordedExperiment]]:
    """Hold the step of the experiment that `name` names. Raises: UsageError if there is no such
    experiment; as `recalled_step`."""
    from hil.campaign.origin import scenario_of
    from hil.campaign.recall import recalled_step
    from hil.record.recorded_experiment import recorded_experiment

    recorded = recorded_experiment(file, name)
    scenario = scenario_of(file.meta, order.path, order.scenario, order.boards, order.workload)
    say("tracing the step")
    with recalled_step(file, recorded.frame, scenario) as recalled:
        yield recalled, recorded
