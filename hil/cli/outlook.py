"""The options of `hil compare` that look beyond the counts of a campaign: `--protect`, `--factors`
and `--orbit`."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hil.cli.output import say
from hil.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from hil.analysis.failure_rates import FailureRates
    from hil.analysis.fault_sums import FaultSums
    from hil.analysis.protection import ProtectionPlan
    from hil.analysis.vulnerability import Factors
    from hil.json_values import JsonValue
    from hil.plant.bit_rates import BitRates
    from hil.record.campaign_file import CampaignFile
    from hil.record.campaign_summary import CampaignSummary
    from hil.views.style import Glyphs

__all__ = ["Outlook", "OutlookOptions", "flown_rates", "outlook_of"]

_ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class OutlookOptions:
    """The views that are wanted. `protect`: targets divided by commas, or `all`; `factors`: the
    vulnerability factors; `orbit`: a scenario that flies, on the board `profile` instead of its
    own, with the step running for the share `duty` of the time."""

    protect: str | None
    factors: bool
    orbit: str | None
    profile: str | None
    duty: float | None

    @property
    def wanted(self) -> bool:
        """Return whether there is anything to show. Raises: UsageError for options without the one
        that they belong to."""
        if self.orbit is None:
            for name, value in (("--profile", self.profile), ("--duty", self.duty)):
                if value is not None:
                    raise UsageError(
                        f"{name} has no meaning without --orbit",
                        remedy="name a scenario that flies, as --orbit leo-iss-day",
                    )
        return self.protect is not None or self.factors or self.orbit is not None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The views of one campaign."""

    plans: Sequence[ProtectionPlan]
    factors: Sequence[Factors]
    rates: FailureRates | None

    def as_json(self) -> dict[str, JsonValue]:
        """Return the views as a JSON object."""
        document: dict[str, JsonValue] = {}
        if self.plans:
            document["protect"] = {plan.kind: plan.as_json() for plan in self.plans}
        if self.factors:
            document["factors"] = {row.target: row.as_json() for row in self.factors}
        if self.rates is not None:
            document["orbit"] = self.rates.as_json()
        return document

    def report(self, glyphs: Glyphs) -> RenderableType:
        """Return the views as text."""
        from rich.console import Group
        from rich.text import Text

        from hil.views.campaign_protection import protection_report
        from hil.views.campaign_rates import factors_report, rates_report

        parts: list[RenderableType] = []
        if self.plans:
            parts.append(protection_report(self.plans, glyphs))
        if self.factors:
            parts.append(factors_report(self.factors, glyphs))
        if self.rates is not None:
            parts.append(rates_report(self.rates, glyphs))
        spaced = [part for one in parts for part in (Text(""), one)][1:]
        return Group(*spaced)


def flown_rates(options: OutlookOptions) -> BitRates | None:
    """Return the upsets of a bit in the orbit that is wanted; None if none is. Raises: UsageError,
    ConfigError."""
    if options.orbit is None:
        return None
    from hil.board_types.catalogue import load_board_profile
    from hil.plant.bit_rates import bit_rates
    from hil.scenario import load
    from hil.scenario.load import placing

    profile = None if options.profile is None else load_board_profile(options.profile)
    loaded = load(options.orbit)
    with placing(loaded.file):
        rates = bit_rates(loaded.scenario, profile)
    for note in rates.notes:
        say(f"note: {note}")
    return rates


def outlook_of(file: CampaignFile, options: OutlookOptions, rates: BitRates | None) -> Outlook:
    """Return the views that are wanted of a campaign. Raises: RecordError; UsageError if it has not
    what is asked for."""
    from hil.analysis.failure_rates import failure_rates
    from hil.analysis.fault_sums import fault_sums
    from hil.analysis.vulnerability import factors_of
    from hil.record.campaign_summary import campaign_summary

    if file.meta.sampling is not None:
        return _sampled_outlook(file, options, rates)
    summary, sums = campaign_summary(file), fault_sums(file)
    return Outlook(
        () if options.protect is None else _plans(options.protect, summary, sums),
        factors_of(summary, sums) if options.factors else (),
        None if rates is None else failure_rates(summary, sums, rates, options.duty),
    )


def _sampled_outlook(
    file: CampaignFile, options: OutlookOptions, rates: BitRates | None
) -> Outlook:
    """Return the views of a sample: the rates, with its intervals."""
    from hil.analysis.failure_rates import sampled_failure_rates
    from hil.analysis.sample_summary import sample_summary

    if options.protect is not None or options.factors:
        raise UsageError(
            f"{file.path} is a sample: --protect and --factors need what every fault comes to",
            remedy="make the campaign with --exact; --orbit takes samples, too",
        )
    if rates is None:
        return Outlook((), (), None)
    return Outlook((), (), sampled_failure_rates(file, sample_summary(file), rates, options.duty))


def _plans(text: str, summary: CampaignSummary, sums: FaultSums) -> list[ProtectionPlan]:
    from hil.analysis.protection import protect_bytes, protect_instructions

    known = [totals.target for totals in summary.targets]
    names = known if text == _ALL else [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        what = f"`{wrong[0]}` is not a target of this campaign" if wrong else "no target"
        raise UsageError(f"--protect {text}: {what}", remedy=f"{_ALL}, or {', '.join(known)}")
    plans = [protect_bytes(sums, names)]
    if text == _ALL:
        plans.append(protect_instructions(sums))
    return plans
