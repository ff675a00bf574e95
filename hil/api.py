"""The Python interface: runs, flights and campaigns from a program, a notebook or a test.

    import hil

    run = hil.run("saa-pass", seed=3, boards="inproc", out="runs/mine")
    run.outcome, run.availability          # "pass", 1.0
    run.upsets["outcome"]                  # a NumPy array, one entry per upset
    run.frames.to_pandas()                 # where pandas is installed

Nothing here prints, handles signals, or keeps anything between two calls, so that runs may go on in
several threads at once (each with a folder of its own). Errors are those of `hil.errors`: a wrong
output or a lost node is data of a run, an exception is a failure of the rig itself.

This module is the only stable interface of the package: what it exports keeps its name and meaning
within a minor version, and is marked as deprecated for one before it goes. All other modules may
change at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from hil.campaign.arguments import exact_targets, whole
from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.step_choice import DEFAULT_FRAME, DEFAULT_TARGETS
from hil.control.answers import Answer, UpsetOrdered
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import (
    FramesDone,
    NodeRepair,
    RunEvent,
    RunObserver,
    TimeSlip,
    check_hooks,
)
from hil.engine.run_preparation import NewRun, prepare_new_run
from hil.engine.stepped_run import BOARD_CAPABILITIES, SteppedNode, SteppedRun
from hil.errors import UsageError
from hil.plant.survey import Survey, survey
from hil.plant.survey_figures import SurveyFigures
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import CampaignSummary, campaign_summary
from hil.record.column_table import ColumnTable, html_table
from hil.record.held_record import held_record
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.record.run_tables import RunTable, run_table
from hil.redundancy.recovery import NodeState, Transition
from hil.redundancy.voting import Verdict, VerdictKind
from hil.report.evidence.kept_evidence import keep_evidence
from hil.scenario import (
    KNOWN_METRICS,
    ExpectationResult,
    Overrides,
    Scenario,
    load_bench,
    load_scenario,
    parse_expectation,
    parse_scenario,
)
from hil.scenario.rig import NODES_MAX
from hil.upsets.outcome import Anomaly
from hil.upsets.upset import Assessment, Upset
from hil.verification.findings import Verification
from hil.verification.recorded_run import result_of
from hil.verification.replay import verify
from hil.verification.run_end import RunEnd
from hil.views.flight_figures import figure_rows

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from hil.views.evidence import Trouble

__all__ = [
    "BOARD_CAPABILITIES",
    "KNOWN_METRICS",
    "NODES_MAX",
    "Anomaly",
    "Answer",
    "Assessment",
    "Campaign",
    "ColumnTable",
    "ExpectationResult",
    "FramesDone",
    "NodeRepair",
    "NodeState",
    "Run",
    "RunEvent",
    "RunObserver",
    "RunOptions",
    "RunResult",
    "Scenario",
    "SteppedNode",
    "SteppedRun",
    "SurveyedFlight",
    "TimeSlip",
    "Transition",
    "Upset",
    "UpsetOrdered",
    "Verdict",
    "VerdictKind",
    "campaign",
    "load_bench",
    "load_for_run",
    "load_scenario",
    "open_campaign",
    "open_run",
    "orbit",
    "parse_expectation",
    "parse_scenario",
    "run",
    "stepped_run",
]


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run, finished or not. `folder` has its record, `result` all that `hil run --json`
    prints. Tables are read from the record when they are asked for, so that a run that is still
    written shows what it has come to. Thread-safe."""

    folder: Path

    @property
    def result(self) -> RunResult:
        """Return the result. Raises: RecordError if the record cannot be read."""
        with self.record() as reader:
            return result_of(reader)

    @property
    def outcome(self) -> str:
        """Return `pass`, `fail`, `error` or `aborted`; of a run that has not ended, `running`."""
        return self.result.outcome

    @property
    def passed(self) -> bool:
        """Return whether the run has ended and met all its expectations."""
        return self.outcome == "pass"

    @property
    def digest(self) -> str:
        """Return the run digest; empty if the run has not ended."""
        return self.result.run_digest

    @property
    def availability(self) -> float:
        """Return the share of frames with a correct output, 0 to 1."""
        return self.result.availability

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the names of the nodes."""
        with self.record() as reader:
            return tuple(reader.node_names)

    @property
    def frames(self) -> ColumnTable:
        """Return all frames with their verdicts; in masks, bit i stands for the i-th node."""
        return self.table("frames")

    @property
    def ballots(self) -> ColumnTable:
        """Return what each node sent in each frame."""
        return self.table("ballots")

    @property
    def upsets(self) -> ColumnTable:
        """Return all upsets with their effects and outcomes."""
        return self.table("upsets")

    @property
    def repairs(self) -> ColumnTable:
        """Return all attempts to repair a node."""
        return self.table("repairs")

    @property
    def health(self) -> ColumnTable:
        """Return what the boards reported of themselves."""
        return self.table("health")

    @property
    def plant(self) -> ColumnTable:
        """Return power, charge and sunlight over time; empty without a plant."""
        return self.table("plant")

    def table(self, name: str) -> ColumnTable:
        """Return a table of the record, such as `transitions`, `link_events` or `notes`.

        Raises: UsageError if there is no such table; RecordError if the record is damaged."""
        try:
            wanted = RunTable(name)
        except ValueError:
            known = ", ".join(table.value for table in RunTable)
            raise UsageError(f"a run has no table {name!r}", remedy=f"one of {known}") from None
        with self.record() as reader:
            return run_table(reader, wanted)

    def first_trouble(self, metric: str) -> Trouble | None:
        """Return the first frame that shows why a metric of `expect:` has its value, and in words
        what happened there, with the upsets behind it; None if no frame shows it. Raises:
        RecordError if the record cannot be read."""
        from hil.views.evidence import evidence  # noqa: PLC0415  (few ask; it loads the screens')

        with self.record() as reader:
            return evidence(reader, metric)

    def verify(self) -> Verification:
        """Vote again on what was recorded, and compute the run again as far as it can be; `ok` says
        whether the record is what it says. Raises: RecordError if it cannot be read."""
        with self.record() as reader:
            return verify(reader)

    @contextmanager
    def record(self) -> Iterator[Reader]:
        """Open the record and yield a reader of it as it is now; `db` of it is a plain, read-only
        SQLite connection. Raises: RecordError if it cannot be read."""
        with held_record(self.folder) as reader:
            yield reader

    def _repr_html_(self) -> str:
        """Return the verdict and the counts as HTML, for notebooks."""
        result = self.result
        rows = [
            ["outcome", result.outcome],
            ["frames", f"{result.frames:,}"],
            ["availability", f"{result.availability:.6g}"],
            ["upsets", f"{result.upsets.injected:,}"],
            ["recoveries", f"{result.recoveries:,}"],
            ["run digest", result.run_digest or "none yet"],
            ["folder", str(self.folder)],
            *(
                [e.metric, f"{e.measured} ({e.wanted}: {'met' if e.ok else 'NOT MET'})"]
                for e in result.expectations or ()
            ),
        ]
        return html_table((result.name or "run", ""), rows)


@dataclass(frozen=True, slots=True)
class SurveyedFlight:
    """A flight without boards: `rows` over time, its `figures`, and `notes` for the user."""

    rows: ColumnTable
    figures: SurveyFigures
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<SurveyedFlight of {self.figures.duration_s:,.0f} s: {self.rows!r}>"

    def _repr_html_(self) -> str:
        """Return its figures, notes and first rows as HTML, for notebooks."""
        notes = [["note", note] for note in self.notes]
        head = html_table(("flight", ""), [*figure_rows(self.figures), *notes])
        return head + self.rows._repr_html_()


@dataclass(frozen=True, slots=True)
class Campaign:
    """The result of a campaign in a file. Thread-safe."""

    file: Path

    @property
    def summary(self) -> CampaignSummary:
        """Return the exact counts, by target. Raises: RecordError if the file cannot be read."""
        with CampaignFile(self.file) as file:
            return campaign_summary(file)

    def _repr_html_(self) -> str:
        """Return the counts by target as HTML, for notebooks."""
        summary = self.summary
        effects = sorted({effect for target in summary.targets for effect in target.effects})
        rows = [
            [t.target, f"{t.faults:,}", *(f"{t.effects.get(effect, 0):,}" for effect in effects)]
            for t in (*summary.targets, summary.total)
        ]
        return html_table(("target", "faults", *(str(effect) for effect in effects)), rows)


class RunOptions(TypedDict, total=False):
    """The options of `hil run` that replace values of the scenario."""

    scheme: str | None
    boards: str | None
    bench: str | Path | None
    seed: int | None
    frames: int | None
    duration: str | None
    pace: str | None
    accel: float | None


def run(
    scenario: str | Path | Scenario,
    *,
    out: str | Path | None = None,
    observers: Sequence[RunObserver] = (),
    stop: Callable[[], bool] = lambda: False,
    capture: bool = False,
    **options: Unpack[RunOptions],
) -> Run:
    """Run a scenario to its end and return the recorded run.

    `scenario` is a file, the name of a shipped one, or a parsed one, which takes no `options`
    (`RunOptions`, as of `hil run`). `out` is the new folder of the run; by default one below
    `runs/`. `observers` follow the run in its thread; it ends as aborted soon after `stop` returns
    true, which is asked between frames. `capture` writes all bytes of all links to the folder. The
    folder has the reports and the evidence of the run however it ends; a parsed scenario is written
    into it, too, as `scenario.yaml`.

    Raises: UsageError and ConfigError if the scenario or an option cannot be used; SetupError,
    LinkTimeout and other subclasses of HilError if the rig fails; TypeError for an unknown
    option."""
    new = _prepared(scenario, out, options, observers, stop)
    end = RunEnd(new, keep_evidence)
    setup = RunSetup(
        capture=capture,
        plant=new.plant,
        left_out=new.left_out,
        command=new.command,
        at_end=end,
    )
    with end.of_preparation():
        loop = Loop(new.scenario, new.run_dir, stop=stop, observers=observers, setup=setup)
    loop.run()
    return Run(new.run_dir)


def stepped_run(
    scenario: str | Path | Scenario,
    *,
    out: str | Path | None = None,
    observers: Sequence[RunObserver] = (),
    capture: bool = False,
    who: str = "stepped run",
    **options: Unpack[RunOptions],
) -> SteppedRun:
    """Return a run that its caller steps, frame by frame, and gives orders in between:

        with hil.stepped_run("memory-storm", boards="inproc") as run:
            run.step(100)
            run.order("inject", node="b", target="state", bit=7)
            run.step(10)
        recorded = hil.open_run(run.folder)

    The arguments are those of `run`; `who` gives the orders, for the record. Raises: as `run`."""
    new = _prepared(scenario, out, options, observers)
    end = RunEnd(new, keep_evidence)
    with end.of_preparation():
        return SteppedRun(new, observers, capture=capture, who=who, at_end=end)


def load_for_run(scenario: str | Path, **options: Unpack[RunOptions]) -> Scenario:
    """Return the scenario that a run with these options would have, without a run. Raises:
    UsageError, ConfigError, TypeError as `run`."""
    return load_scenario(scenario, _overrides(options))


def _prepared(
    scenario: str | Path | Scenario,
    out: str | Path | None,
    options: RunOptions,
    observers: Sequence[RunObserver],
    stop: Callable[[], bool] = lambda: False,
) -> NewRun:
    overrides = _overrides(options)
    check_hooks(observers, stop)
    return prepare_new_run(scenario, overrides, None if out is None else _path("out", out))


def _overrides(options: RunOptions) -> Overrides:
    if unknown := sorted(set(options) - set(RunOptions.__annotations__)):
        known = ", ".join(RunOptions.__annotations__)
        raise TypeError(f"run has no option {unknown[0]!r}; options: {known}")
    given: dict[str, Any] = {"board" if k == "boards" else k: v for k, v in options.items()}
    return Overrides(**given, from_python=True)


def _path(name: str, path: str | Path) -> Path:
    """Return a path that a caller gave. Raises: UsageError for an empty text, which would be the
    current folder."""
    if path == "":
        raise UsageError(f"{name}= is an empty text", remedy="name a file or a folder")
    return Path(path)


def open_run(folder: str | Path) -> Run:
    """Return the run in a folder. Raises: RecordError if there is none, or it cannot be read."""
    opened = Run(Path(folder))
    with opened.record():
        return opened


def orbit(scenario: str | Path | Scenario, *, every_s: float | None = None) -> SurveyedFlight:
    """Fly a scenario's plant without boards, and return a row every `every_s` seconds (default:
    every step of the plant). Raises: UsageError, ConfigError."""
    loaded = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    flown: Survey = survey(loaded, every_s)
    return SurveyedFlight(ColumnTable("orbit", flown.columns), flown.figures, flown.notes)


def campaign(
    scenario: str | Path | Scenario,
    result: str | Path,
    *,
    targets: Sequence[str] = DEFAULT_TARGETS,
    frame: int = DEFAULT_FRAME,
    workers: int = 1,
    boards: str | None = None,
) -> Campaign:
    """Carry out an exact campaign: every single-bit fault of `targets` in one step. The result is
    written to the new file `result`, with its evidence beside it; a call that was interrupted
    continues when it is repeated.

    Raises: UsageError for targets, workers or a frame that there are not, or if the file exists;
    ConfigError, SetupError, LinkTimeout, NodeError, RecordError."""
    path, chosen = _path("result", result), exact_targets(targets)
    workers, frame = whole("workers", workers, least=1), whole("frame", frame, least=0)
    if isinstance(scenario, Scenario):
        if boards is not None:
            why = "a parsed scenario takes no boards=: they are part of it"
            raise UsageError(why, remedy="parse_scenario(text, overrides=...)")
        loaded, source = scenario, scenario.name
    else:
        loaded = load_scenario(scenario, Overrides(board=boards, from_python=True))
        source = str(scenario)
    if frame >= loaded.frame_count:
        raise UsageError(
            f"frame={frame}: {loaded.name} has {loaded.frame_count} frames",
            remedy=f"name one from 0 to {loaded.frame_count - 1}",
        )
    order = ExactOrder(loaded, frame, chosen, path, workers, source=source)
    run_exact_campaign(order, lambda _: None, lambda _: None)
    keep_evidence(path)
    return Campaign(path)


def open_campaign(file: str | Path) -> Campaign:
    """Return the campaign in a result file. Raises: RecordError if it cannot be read."""
    opened = Campaign(Path(file))
    with CampaignFile(opened.file):
        return opened
