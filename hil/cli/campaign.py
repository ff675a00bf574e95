"""`hil campaign`: what upsets of a step come to, all of them or a sample."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from hil.cli import campaign_options as options
from hil.cli.campaign_exact import ExactChoice, check_frame, exact_campaign
from hil.cli.campaign_progress import CampaignShow, Dask, TableAlone, check_executor
from hil.cli.campaign_proof import ProofChoice, prove
from hil.cli.campaign_results import (
    Gdb,
    Merge,
    Part,
    Repeat,
    ResultOrder,
    ScenarioFile,
    names_result,
    use_result,
)
from hil.cli.campaign_sampled import SampledOptions, SampledPlace, sampled_campaign
from hil.cli.campaign_texts import hit_texts
from hil.cli.options import Ascii, Json
from hil.cli.output import say
from hil.cli.run_options import NoTui
from hil.errors import UsageError

if TYPE_CHECKING:
    from hil.campaign.part import CampaignPart
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["HELP", "campaign"]

_DEFAULT_TARGETS: Final = "state,input,output,heap"

HELP: Final = (
    "Flip bits of a step, and say what that comes to: every bit before every instruction, exactly "
    "(--exact), or a sample of them, with confidence intervals (--sampled).\n\n"
    "The result file is the same bit for bit whenever it is repeated. A campaign that was "
    "interrupted continues when the same command is given again.\n\n"
    "With a result file in place of the scenario: print its table again, or what --repeat, --gdb "
    "and --merge say."
)
_OF_RESULTS: Final = frozenset({"repeat", "gdb", "merge", "scenario_file"})
_KINDS: Final = {
    "--exact": "exact campaigns",
    "--sampled": "sampled campaigns",
    "--scheme-proof": "proofs of schemes",
    "--text-hits": "hits of a text",
}
_OF_SOME_KINDS: Final = {
    "--exact": frozenset({"severity", "follow", "dask", "part"}),
    "--sampled": frozenset(
        {
            "dask",
            "part",
            "frames",
            "samples",
            "proportional",
            "precision",
            "confidence",
            "outcome",
            "seed",
        }
        | {"faults", "write_faults", "plan"}
    ),
    "--scheme-proof": frozenset({"confirm"}),
    "--text-hits": frozenset({"text_hits"}),
}
_OF_BOTH: Final = frozenset({"scenario", "out", "boards", "as_json"})


def campaign(  # noqa: PLR0913, PLR0917  (every option is one)
    context: typer.Context,
    scenario: options.Source,
    exact: options.Exact = False,
    sampled: options.Sampled = False,
    scheme_proof: options.SchemeProof = False,
    text_hits: options.TextHits = 0,
    targets: options.Targets = _DEFAULT_TARGETS,
    frame: options.Frame = 3,
    boards: options.Kind = None,
    scheme: options.Scheme = None,
    workers: options.Workers = None,
    out: options.ResultFile = None,
    severity: options.Severity = False,
    follow: options.Follow = 0,
    confirm: options.Confirm = 10,
    frames: options.ManyFrames = None,
    samples: options.Samples = None,
    proportional: options.Proportional = False,
    precision: options.Precision = None,
    confidence: options.Confidence = 0.95,
    outcome: options.OutcomeName = "sdc",
    seed: options.SeedOfDraw = None,
    faults: options.FaultList = None,
    write_faults: options.WriteFaults = None,
    plan: options.Plan = False,
    dask: Dask = None,
    no_tui: NoTui = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
    quiet: TableAlone = False,
    part: Part = None,
    repeat: Repeat = None,
    gdb: Gdb = None,
    merge: Merge = None,
    scenario_file: ScenarioFile = None,
) -> int:
    """Carry out a campaign (see `HELP`)."""
    if _is_result(scenario, context):
        order = ResultOrder(Path(scenario), repeat, gdb, merge, out, scenario_file, boards, as_json)
        return use_result(order)
    _check_kind(context, (exact, sampled, scheme_proof, text_hits > 0))
    loaded = _loaded(scenario, boards, scheme, quiet=quiet)
    if text_hits:
        return hit_texts(loaded, text_hits, as_json=as_json)
    check_executor(dask, workers)
    count, chosen = workers or _default_workers(loaded), _targets(targets, sampled=sampled)
    shown = CampaignShow(no_tui=no_tui, ascii_only=ascii_only, quiet=quiet, as_json=as_json)
    if scheme_proof:
        check_frame(loaded, frame)
        proof = ProofChoice(loaded, chosen, frame, count, confirm, _in_a_folder(out))
        return prove(proof, as_json=as_json)
    path, share = _place(out, loaded.name, part)
    if exact:
        more = (dask, severity, follow, share, scenario)
        return exact_campaign(ExactChoice(loaded, chosen, frame, path, count, *more), shown)
    what = (frames or str(frame), samples, proportional, precision, confidence, outcome, seed)
    sample = SampledOptions(*what, faults, write_faults, plan, _given(context))
    place = SampledPlace(path, count, dask, share, scenario)
    return sampled_campaign(loaded, chosen, sample, place, shown)


def _loaded(source: str, boards: str | None, scheme: str | None, *, quiet: bool) -> Scenario:
    """Return a scenario; print what the compiler warns of in the C file that is its workload, if
    one is. Raises: ConfigError; SetupError if that file cannot be compiled here."""
    from hil.scenario import Overrides, load

    scenario = load(source, Overrides(board=boards, scheme=scheme)).scenario
    if scenario.c_workload is not None and not quiet:
        from hil.rig.own_workload import own_workload

        own = own_workload(scenario)
        for warning in () if own is None else own.warnings:
            say(f"warning: {warning}")
    return scenario


def _is_result(source: str, context: typer.Context) -> bool:
    """Return whether a result file is named, and not a scenario. Raises: UsageError for the first
    option that is given and does not go with it."""
    is_result = names_result(source)
    for name, option in _given(context).items():
        if name not in _OF_BOTH and is_result != (name in _OF_RESULTS):
            kind = "a scenario" if is_result else "the result file of a campaign"
            given = "a result file is given" if is_result else "a scenario is given"
            raise UsageError(f"{option} is for {kind}, and {given}")
    return is_result


def _given(context: typer.Context) -> dict[str, str]:
    """Return the parameters that the command line gives, each with its option."""
    given: dict[str, str] = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            given[name] = parameter.opts[0]
    return given


def _check_kind(context: typer.Context, kinds: tuple[bool, ...]) -> None:
    """Check that one kind of campaign is named (exact, sampled or a proof), and no option of
    another. Raises: UsageError."""
    if sum(kinds) != 1:
        raise UsageError(
            "which campaign?",
            remedy="hil campaign SCENARIO --exact, --sampled, --scheme-proof or --text-hits N",
        )
    kind = list(_KINDS)[kinds.index(True)]
    for name, option in _given(context).items():
        its = [k for k, names in _OF_SOME_KINDS.items() if name in names] or [kind]
        if kind not in its:
            words = " and ".join(_KINDS[k] for k in its)
            raise UsageError(
                f"{option} is for {words}", remedy=f"leave it out, or {' or '.join(its)}"
            )


def _place(out: Path | None, name: str, part: str | None) -> tuple[Path, CampaignPart]:
    """Return where the result goes, and the part of the campaign that it is of. Raises:
    UsageError."""
    from hil.campaign.part import WHOLE, parse_part

    share = WHOLE if part is None else parse_part(part)
    return _in_a_folder(out) or Path(f"{name}{share.infix}.campaign"), share


def _in_a_folder(out: Path | None) -> Path | None:
    """Return `out` itself. Raises: UsageError if its folder is not there."""
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}", remedy="make it first")
    return out


def _targets(text: str, *, sampled: bool) -> tuple[UpsetTarget, ...]:
    """Return the targets that are named. Raises: UsageError."""
    from hil.campaign.regions import EXACT_TARGETS, SAMPLED_TARGETS

    known = {t.value: t for t in (SAMPLED_TARGETS if sampled else EXACT_TARGETS)}
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in known]
    if wrong or not names or len(set(names)) < len(names):
        what = f"`{wrong[0]}` is none of them" if wrong else "it names each at most once"
        raise UsageError(
            f"--targets {text!r}: {what}",
            remedy=f"targets of this kind of campaign: {', '.join(known)}",
        )
    return tuple(known[name] for name in names)


def _default_workers(scenario: Scenario) -> int:
    """Return how many boards share the work: as many as cores where these are processes or in this
    one, else all there are."""
    from hil.scenario import BoardKind

    nodes = scenario.rig.nodes
    if nodes[0].board in {BoardKind.PROCESS, BoardKind.INPROC}:
        return len(os.sched_getaffinity(0))
    return len(nodes)
