"""`hil campaign`: what upsets of a step come to, all of them or a sample."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from hil.campaign.step_choice import DEFAULT_FRAME, DEFAULT_TARGETS
from hil.cli import campaign_options as options
from hil.cli.campaign_checksums import hit_checksums
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
from hil.cli.campaign_variants import VariantChoice, compare_variants, flip_all_weights
from hil.cli.options import Ascii, Json
from hil.cli.output import say
from hil.cli.run_options import NoTui
from hil.errors import UsageError

if TYPE_CHECKING:
    from hil.campaign.part import CampaignPart
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["HELP", "campaign"]

_DEFAULT_TARGETS: Final = ",".join(DEFAULT_TARGETS)

HELP: Final = (
    "Flip bits of a step, and say what that comes to: every bit before every instruction, exactly "
    "(--exact), or a sample of them, with confidence intervals (--sampled). With --workload A,B: "
    "variants of a workload beside each other.\n\n"
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
    "--checksum-hits": "hits of a workload with checksums",
    "--weights": "campaigns of weights",
}
_OF_SOME_KINDS: Final = {
    "--exact": frozenset({"severity", "follow", "dask", "part", "upset_rate", "confirm"}),
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
    "--checksum-hits": frozenset({"checksum_hits", "clean_steps"}),
    "--weights": frozenset({"images"}),
}
_OF_BOTH: Final = frozenset({"scenario", "out", "boards", "as_json", "workload"})


def campaign(  # noqa: PLR0913, PLR0917  (every option is one)
    context: typer.Context,
    scenario: options.Source,
    exact: options.Exact = False,
    sampled: options.Sampled = False,
    scheme_proof: options.SchemeProof = False,
    text_hits: options.TextHits = 0,
    checksum_hits: options.ChecksumHits = 0,
    clean_steps: options.CleanSteps = 10_000,
    targets: options.Targets = _DEFAULT_TARGETS,
    frame: options.Frame = DEFAULT_FRAME,
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
    weights: options.Weights = False,
    images: options.Images = 100,
    workload: options.Workload = None,
    upset_rate: options.UpsetRate = 4.04e-7,
) -> int:
    """Carry out a campaign (see `HELP`)."""
    if _is_result(scenario, context):
        of = (repeat, gdb, merge, out, scenario_file, boards, as_json, workload)
        return use_result(ResultOrder(Path(scenario), *of))
    _check_kind(context, (exact, sampled, scheme_proof, text_hits > 0, checksum_hits > 0, weights))
    shown = CampaignShow(no_tui=no_tui, ascii_only=ascii_only, quiet=quiet, as_json=as_json)
    choice = _Choice(context, scenario, boards, scheme, workload, workers, targets, frame, quiet)
    if text_hits or checksum_hits:
        return choice.hit(text_hits, checksum_hits, clean_steps, as_json=as_json)
    if weights or (exact and choice.has_variants):
        return choice.compared(images if weights else 0, (upset_rate, confirm), shown)
    if scheme_proof:
        return choice.prove(confirm, out, shown)
    if exact:
        return choice.exact((dask, severity, follow), out, part, shown)
    size = (frames or str(frame), samples, proportional, precision, confidence, outcome, seed)
    return choice.sampled(SampledOptions(*size, faults, write_faults, plan), dask, out, part, shown)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the command line says of the scenario and its boards."""

    context: typer.Context
    source: str
    boards: str | None
    scheme: str | None
    workload: str | None
    workers: int | None
    target_names: str
    frame: int
    quiet: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Return the workloads that are named."""
        return tuple(name.strip() for name in (self.workload or "").split(",") if name.strip())

    @property
    def has_variants(self) -> bool:
        """Return whether several workloads are named."""
        return len(self.names) > 1

    def scenario(self) -> Scenario:
        """Return the scenario, with the workload that is named. Raises: UsageError for several;
        ConfigError."""
        if self.has_variants:
            raise UsageError(
                f"--workload {self.workload}: this takes one workload",
                remedy="several are for --exact and --weights",
            )
        return self._with(self.names[0] if self.names else None)

    def hit(self, text_hits: int, checksum_hits: int, steps: int, *, as_json: bool) -> int:
        """Carry out hits of a text, or of a workload with checksums; return the exit code."""
        if text_hits:
            return hit_texts(self.scenario(), text_hits, as_json=as_json)
        return hit_checksums(self.scenario(), checksum_hits, steps, as_json=as_json)

    def variants(self) -> VariantChoice:
        """Return the workloads that are to be compared; without --workload that of the scenario.
        Raises: UsageError if one is named twice, or an option does not go with several;
        ConfigError."""
        given = _given(self.context)
        for name in ("out", "dask", "part", "follow"):
            if name in given:
                raise UsageError(
                    f"{given[name]} is for campaigns of one workload",
                    remedy="leave it out, or give one after the other as --workload",
                )
        if len(set(self.names)) < len(self.names):
            raise UsageError(f"--workload {self.workload}: it names one twice")
        scenarios = [self._with(name) for name in self.names or (None,)]
        check_frame(scenarios[0], self.frame)
        targets = _targets(self.target_names, sampled=False)
        return VariantChoice(scenarios, targets, self.frame, self.count(scenarios[0]), self.source)

    def compared(self, images: int, under: tuple[float, int], shown: CampaignShow) -> int:
        """Compare workloads: flip their weights, on so many images, or carry out exact campaigns
        (0); `under`: upsets of a bit and day, and how many faults are flown. Return the exit
        code."""
        if images:
            return flip_all_weights(self.variants(), images, shown)
        return compare_variants(self.variants(), *under, shown)

    def prove(self, confirm: int, out: Path | None, shown: CampaignShow) -> int:
        """Prove the scheme, with `confirm` full runs; return the exit code."""
        loaded = self.scenario()
        count, chosen = self.count(loaded), _targets(self.target_names, sampled=False)
        check_frame(loaded, self.frame)
        proof = ProofChoice(loaded, chosen, self.frame, count, confirm, _in_a_folder(out))
        return prove(proof, as_json=shown.as_json)

    def exact(
        self,
        how: tuple[str | None, bool, int],
        out: Path | None,
        part: str | None,
        shown: CampaignShow,
    ) -> int:
        """Carry out an exact campaign; `how`: cluster, severity, steps to follow. Return the exit
        code."""
        _check_single(self.context)
        check_executor(how[0], self.workers)
        loaded = self.scenario()
        count, chosen = self.count(loaded), _targets(self.target_names, sampled=False)
        path, share = _place(out, loaded.name, part)
        choice = ExactChoice(loaded, chosen, self.frame, path, count, *how, share, self.source)
        return exact_campaign(choice, shown)

    def sampled(
        self,
        sample: SampledOptions,
        dask: str | None,
        out: Path | None,
        part: str | None,
        shown: CampaignShow,
    ) -> int:
        """Carry out a sampled campaign; return the exit code."""
        check_executor(dask, self.workers)
        loaded = self.scenario()
        count, chosen = self.count(loaded), _targets(self.target_names, sampled=True)
        path, share = _place(out, loaded.name, part)
        place = SampledPlace(path, count, dask, share, self.source)
        given = replace(sample, given=_given(self.context))
        return sampled_campaign(loaded, chosen, given, place, shown)

    def count(self, scenario: Scenario) -> int:
        """Return how many boards share the work."""
        return self.workers or _default_workers(scenario)

    def _with(self, workload: str | None) -> Scenario:
        """Return the scenario with a workload; print what the compiler warns of in the C file that
        is its workload, if one is. Raises: UsageError if the workload is a program of `exec`;
        ConfigError; SetupError if that file cannot be compiled here."""
        from hil.scenario import Overrides, load

        overrides = Overrides(board=self.boards, scheme=self.scheme, workload=workload)
        scenario = load(self.source, overrides).scenario
        if scenario.exec is not None:
            what = "an ONNX model" if scenario.onnx_workload else "a program of `exec`"
            raise UsageError(
                f"the workload of {scenario.name} is {what}, whose instructions no agent follows: "
                "there is no campaign of it",
                remedy="hit it in a run, by events or rates of `upsets:`; campaigns take the "
                "workloads of hil and C files",
            )
        if scenario.c_workload is not None and not self.quiet:
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


def _check_single(context: typer.Context) -> None:
    """Check that no option of several workloads is given for one. Raises: UsageError."""
    given = _given(context)
    for name, kinds in (("confirm", "proofs of schemes, and"), ("upset_rate", "")):
        if name in given:
            several = " ".join(f"{given[name]} is for {kinds} several workloads".split())
            raise UsageError(several, remedy="leave it out, or --workload A,B")


def _check_kind(context: typer.Context, kinds: tuple[bool, ...]) -> None:
    """Check that one kind of campaign is named (exact, sampled, a proof, of hits or of weights),
    and no option of another. Raises: UsageError."""
    if sum(kinds) != 1:
        raise UsageError(
            "which campaign?",
            remedy="hil campaign SCENARIO --exact, --sampled, --scheme-proof, --text-hits N, "
            "--checksum-hits N or --weights",
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
