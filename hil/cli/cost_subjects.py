"""The subjects of `hil cost`: a run is read, a scenario is run, a campaign is taken to an orbit."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hil.cli.outlook import OutlookOptions, flown_rates, outlook_of
from hil.cli.output import say
from hil.cli.record import opened
from hil.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.analysis.economics.priced_run import PricedRun, Terms
    from hil.analysis.failure_rates import FailureRates
    from hil.scenario import Scenario

__all__ = ["check_campaign_options", "priced_subject"]


def check_campaign_options(subjects: Sequence[str], outlook: OutlookOptions) -> None:
    """Refuse options of campaigns where no subject is one. Raises: UsageError."""
    if any(_is_campaign(Path(subject)) for subject in subjects):
        return
    options = (("--orbit", outlook.orbit), ("--profile", outlook.profile), ("--duty", outlook.duty))
    given = [name for name, value in options if value is not None]
    if given:
        what, them = ("are", "them") if len(given) > 1 else ("is", "it")
        raise UsageError(
            f"{' and '.join(given)} {what} for results of campaigns, and {', '.join(subjects)} is "
            "none: a run has flown in the orbit of its scenario, on its boards",
            remedy=f"leave {them} out",
        )


def _is_campaign(path: Path) -> bool:
    """Return whether there is a database at `path` that is not the record of a run."""
    from hil.record.campaign_file import is_database

    return path.is_file() and is_database(path) and path.suffix != ".db"


def priced_subject(subject: str, terms: Terms, outlook: OutlookOptions) -> PricedRun:
    """Return the priced answers of the folder of a run, of the result of a campaign, or of a
    scenario, which is run for that.

    Raises: UsageError and ConfigError if it is none of these, or has no answers; RecordError; what
    a run raises."""
    path = Path(subject)
    if _is_campaign(path):
        return _campaign(path, terms, outlook)
    if path.is_file() and path.suffix != ".db":
        return _scenario(subject, terms)
    if not path.exists() and _is_shipped(subject):
        return _scenario(subject, terms)
    if not (path / "run.db" if path.is_dir() else path).is_file():
        raise _refused(subject, path)
    return _run(path, terms)


def _refused(subject: str, path: Path) -> UsageError:
    """Return why there is nothing to price, and what can be priced."""
    from hil import assets
    from hil.scenario.problems import did_you_mean

    there = ": that folder has no run.db" if path.is_dir() else ": nothing has that name"
    hint = did_you_mean(subject, assets.list_scenarios())
    return UsageError(
        f"{subject} is neither a run, nor the result of a campaign, nor a scenario{there}",
        remedy=(f"{hint} Or " if hint else "")
        + "name the folder of a run (`hil run` prints it), the result of `hil campaign`, "
        "a file FILE.yaml, or a shipped scenario (`hil scenario list`)",
    )


def _is_shipped(subject: str) -> bool:
    """Return whether there is a shipped scenario of that name, one of a story included."""
    from hil.scenario import find_scenario

    try:
        return find_scenario(subject).is_file()
    except UsageError:
        return False


def _run(run: Path, terms: Terms) -> PricedRun:
    from hil.analysis.economics.priced_run import price_run
    from hil.verification.recorded_run import result_of

    with opened(run) as reader:
        return price_run(reader, result_of(reader), terms)


def _scenario(subject: str, terms: Terms) -> PricedRun:
    """Run a scenario, and price what it did; the record is not kept."""
    from hil.api import run
    from hil.scenario import BoardKind, load_scenario

    scenario = load_scenario(subject)
    kinds = {node.board for node in scenario.rig.nodes}
    if not kinds <= {BoardKind.INPROC, BoardKind.PROCESS}:
        raise UsageError(
            f"{subject} needs boards other than software boards, and is not run only to be priced",
            remedy=f"hil run {subject} --out DIR, then hil cost DIR",
        )
    say(f"{scenario.name}: runs now to be priced, {_length(scenario)}; the record is not kept")
    with tempfile.TemporaryDirectory(prefix="hil-cost-") as folder:
        done = run(subject, out=Path(folder) / "run")
        say(f"{scenario.name}: {done.outcome}, run digest {done.digest}")
        return _run(Path(folder) / "run", terms)


def _length(scenario: Scenario) -> str:
    kinds = ", ".join(sorted({str(node.board) for node in scenario.rig.nodes}))
    return f"{scenario.frame_count:,} frames on {kinds} boards"


def _campaign(path: Path, terms: Terms, outlook: OutlookOptions) -> PricedRun:
    """Price one computer in orbit by the outcomes of a campaign; nothing runs."""
    from hil.analysis.economics.campaign_work import predicted_work, sunlight_of_orbit
    from hil.analysis.economics.conditions import conditions_of_campaign, orbit_text
    from hil.analysis.economics.priced_run import price_work
    from hil.analysis.economics.recorded_work import LOW_ORBIT
    from hil.record.campaign_file import CampaignFile
    from hil.scenario import load_scenario

    if outlook.orbit is None:
        raise UsageError(
            f"{path} is the result of a campaign: in which orbit does it fly?",
            remedy=f"hil cost {path} --orbit leo-iss-day",
        )
    with CampaignFile(path) as file:
        meta, rates = file.meta, outlook_of(file, outlook, flown_rates(outlook)).rates
    assert rates is not None, "an orbit was given"
    work = predicted_work(meta, rates, terms.node_w or _campaign_node_w(rates, outlook))
    say(f"{path}: priced by its outcomes and the upsets in {outlook.orbit}; nothing runs")
    orbit = load_scenario(outlook.orbit)
    conditions = conditions_of_campaign(
        meta, [t.target for t in rates.targets], orbit_text(orbit), work.counts.frame_us
    )
    return price_work(work, sunlight_of_orbit(orbit) or LOW_ORBIT, None, terms, conditions)


def _campaign_node_w(rates: FailureRates, outlook: OutlookOptions) -> float:
    """Return the mean power of the board that flies [W]."""
    from hil.analysis.economics.campaign_work import power_at
    from hil.board_types.catalogue import load_board_profile

    profile = load_board_profile(outlook.profile or rates.rates.profile)
    return power_at(profile.power, rates.duty)
