"""Checks of scenarios, bench files and board profiles, without running anything.

A file with a `boards:` key is a bench file; one with more keys of a board profile than of a
scenario is a board profile; any other is a scenario. All problems of all files are reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil import assets
from hil.doctor.restart_spacing import restart_warnings
from hil.errors import ConfigError, HilError, Problem, SetupError
from hil.json_values import JsonObject
from hil.scenario import Expectation, Scenario, find_scenario, load
from hil.scenario.bench import BenchConfig, bench_of
from hil.scenario.load import placing
from hil.scenario.words import BoardKind
from hil.scenario.yaml.document import Document
from hil.scenario.yaml.reader import read_yaml
from hil.views.upset_sources import upset_sources

if TYPE_CHECKING:
    from hil.rig.own_workload import OwnWorkload

__all__ = ["Checked", "check", "check_all"]

SCENARIO: Final = "scenario"
BENCH: Final = "bench"
BOARD: Final = "board"


@dataclass(frozen=True, slots=True)
class Checked:
    """The result for one file: its kind, a summary, and its problems.

    A scenario's `expectations` are those that a run of it is judged by, the default ones included;
    `campaign_mode` describes how it spaces its upsets, if it does; `warnings`: of the compiler,
    about the C file that is its workload, what no upset can hit in the model that is, or restarts
    that are more frequent than a restart takes.
    """

    source: str
    file: str
    kind: str
    summary: str
    problems: tuple[Problem, ...]
    expectations: tuple[Expectation, ...] = ()
    untested: bool = False
    campaign_mode: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether the file has no problems."""
        return not self.problems

    @property
    def expects(self) -> str:
        """Return the expectations of the scenario in a line; empty for any other file."""
        if self.kind != SCENARIO or not self.ok:
            return ""
        own, default = (
            [f"{e.metric} {e.wanted}" for e in self.expectations if e.default is which]
            for which in (False, True)
        )
        parts = [f"expects {', '.join(own)}"] if own else []
        if default:
            parts.append(f"by default {', '.join(default)}")
        if self.untested:
            parts.insert(0, "expects nothing (`none`): a run of it is untested, it cannot pass")
        return "; ".join(parts)

    def as_json(self) -> JsonObject:
        """Return the result as plain data for JSON."""
        return {
            "source": self.source,
            "file": self.file,
            "kind": self.kind,
            "ok": self.ok,
            "summary": self.summary,
            "expectations": [
                {"metric": e.metric, "wanted": e.wanted, "default": e.default}
                for e in self.expectations
            ],
            "untested": self.untested,
            "campaign_mode": self.campaign_mode,
            "warnings": list(self.warnings),
            "problems": [
                {
                    "file": p.file,
                    "line": p.line,
                    "column": p.column,
                    "path": p.path,
                    "message": p.message,
                    "remedy": p.remedy,
                }
                for p in self.problems
            ],
        }


def check_all(sources: Iterable[str]) -> list[Checked]:
    """Check each of `sources`, in their order.

    Raises:
        SetupError: The shipped files are missing.
    """
    return [check(source) for source in sources]


def check(source: str) -> Checked:
    """Check one file, or one shipped scenario or board profile by its bare name.

    Raises:
        SetupError: The shipped files are missing.
    """
    file, kind, summary = source, SCENARIO, ""
    problems: tuple[Problem, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    untested, campaign_mode = False, ""
    warnings: tuple[str, ...] = ()
    try:
        path = assets.board_path(source) or find_scenario(source)
        file = str(path)
        document = read_yaml(path)
        if "boards" in document.data:
            kind = BENCH
            bench = bench_of(document)
            summary = _bench_text(bench, document)
        elif _is_board_profile(document.data):
            kind = BOARD
            summary = _profile_text(path)
        else:
            scenario = load(path).scenario
            summary = _scenario_text(scenario)
            own = None if scenario.c_workload is None else _checked_c_file(scenario)
            warnings = () if own is None else own.warnings
            warnings += _check_upsets(scenario, path, own)
            warnings += restart_warnings(scenario)
            expectations, untested = scenario.expectations, scenario.expects_nothing
            campaign_mode = scenario.campaign_mode
            _check_plant(scenario, path)
    except ConfigError as error:
        problems = error.problems
    except HilError as error:
        if error.exit_code != ConfigError.exit_code:
            raise
        problems = (Problem(file, 0, 0, "$", error.message, error.remedy or ""),)
    about_runs = (expectations, untested, campaign_mode)
    return Checked(source, file, kind, summary, problems, *about_runs, warnings)


def _is_board_profile(data: JsonObject) -> bool:
    """Return whether a file has more keys of a board profile than of a scenario."""
    from hil.board_types.profile import BoardProfile  # noqa: PLC0415  (heavy)

    of_board, of_scenario = (
        {info.alias or name for name, info in model.model_fields.items()}
        for model in (BoardProfile, Scenario)
    )
    keys = set(data)
    return len(keys & (of_board - of_scenario)) > len(keys & (of_scenario - of_board))


def _bench_text(bench: BenchConfig, document: Document) -> str:
    """Check a bench against the profiles of its boards; return a summary. Raises: ConfigError."""
    from hil.board_types.supply_limits import (  # noqa: PLC0415  (heavy)
        check_bench_supplies,
        unchecked_boards,
    )

    check_bench_supplies(bench, document)
    _check_tokens(bench, document)
    unchecked = [board.name for board in unchecked_boards(bench)]
    hint = f"; `voltage_v` not checked, without `profile:`: {', '.join(unchecked)}"
    return f"bench, {_count(len(bench.boards), 'board')}" + (hint if unchecked else "")


def _check_tokens(bench: BenchConfig, document: Document) -> None:
    """Read the tokens of a bench's boards. Raises: ConfigError if one cannot be used."""
    from hil.rig.agent_token import read_token  # noqa: PLC0415  (the rig; most benches need none)

    folder, problems = Path(document.file).parent, []
    for index, board in enumerate(bench.boards):
        if board.token_file is None:
            continue
        try:
            read_token(folder / Path(board.token_file).expanduser())
        except SetupError as error:
            place = ("boards", index, "token_file")
            problems.append(document.problem(place, error.message, error.remedy or ""))
    if problems:
        raise ConfigError(problems)


def _profile_text(path: Path) -> str:
    """Load a board profile; return a summary. Raises: ConfigError."""
    from hil.board_types.catalogue import load_board_profile  # noqa: PLC0415  (heavy)
    from hil.board_types.profile import numbers_of  # noqa: PLC0415  (heavy)

    profile = load_board_profile(path)
    facts = [fact for _, fact in numbers_of(profile)]
    channels = sum(len(data.channels) for data in profile.radiation.data)
    assumed = sum(fact.assumption is not None for fact in facts)
    return (
        f"board profile {profile.name}, {_count(len(profile.power.modes), 'power mode')}, "
        f"{_count(channels, 'radiation channel')} of "
        f"{_count(len(profile.radiation.data), 'data set')}, "
        f"{_count(len(facts), 'value')}, {assumed} of them assumed"
    )


def _check_upsets(scenario: Scenario, path: Path, own: OwnWorkload | None) -> tuple[str, ...]:
    """Check upsets against the step and the size of their target, the model that is the workload,
    if one is, and the inputs of checkers; return what no upset can hit in that model. Raises:
    ConfigError; SetupError if its extra is missing."""
    from hil.rig.onnx_program import check_onnx  # noqa: PLC0415  (the rig; a bench needs none)
    from hil.rig.program import check_checkers  # noqa: PLC0415  (the same)
    from hil.upsets.limits import check_upsets  # noqa: PLC0415  (the kernel; the same)

    with placing(path):
        left_out = check_onnx(scenario)
        check_checkers(scenario)
        check_upsets(scenario, None if own is None else own.workload)
    return left_out


def _checked_c_file(scenario: Scenario) -> OwnWorkload:
    """Compile and try the C file that is the workload of a scenario. Raises: ConfigError,
    SetupError."""
    from hil.rig.own_workload import own_workload  # noqa: PLC0415  (the rig)

    own = own_workload(scenario)
    assert own is not None
    if any(node.board is BoardKind.INPROC for node in scenario.rig.nodes):
        own.check_total()
    return own


def _check_plant(scenario: Scenario, path: Path) -> None:
    """Build the plant, to find an orbit that decays, a flight profile with gaps, or board profiles
    that do not exist. Raises: ConfigError."""
    with placing(path):
        if scenario.plant is None:
            from hil.board_types.catalogue import check_board_profiles  # noqa: PLC0415  (heavy)

            check_board_profiles(scenario)
        else:
            from hil.plant.build import build_plant  # noqa: PLC0415  (heavier)

            build_plant(scenario)


def _scenario_text(scenario: Scenario) -> str:
    """Return a summary of a scenario."""
    return (
        f"scenario {scenario.name}, {scenario.rig.scheme}, {scenario.workload_name}, "
        f"{_count(scenario.frame_count, 'frame')}, upsets: {upset_sources(scenario)}; "
        f"{_count(len(scenario.expectations), 'expectation')}{_interval_text(scenario)}"
    )


def _interval_text(scenario: Scenario) -> str:
    """Return the interval between checkpoints, if it follows from a rule."""
    rule = scenario.recovery.checkpoint_every
    if isinstance(rule, int) or scenario.rig.scheme.executions > 1:  # those take one in every frame
        return ""
    return f"; a checkpoint every {_count(scenario.checkpoint_every, 'frame')}, by {rule.title()}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
