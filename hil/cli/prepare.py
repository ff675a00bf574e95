"""Prepares a run: its scenario, its folder, and the removal of that folder if it cannot begin."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hil.cli.announce import wrapped
from hil.cli.output import say
from hil.cli.record import must_be_run
from hil.cli.session import session
from hil.errors import HilError, UsageError

if TYPE_CHECKING:
    from hil.plant.build import BuiltPlant
    from hil.scenario import Overrides, Scenario


__all__ = ["Prepared", "fresh", "resumed", "tidied"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run before it begins. `made`: its folder was created for it, and the user did not name
    it."""

    scenario: Scenario
    run_dir: Path
    resume: bool
    made: bool
    file: Path | None = None
    """The scenario file of a new run."""
    plant: BuiltPlant | None = None
    """The plant that was built to check the scenario; the run uses it."""
    left_out: tuple[str, ...] = ()
    """Upsets of the scenario file that an option has removed."""


def fresh(source: str | None, overrides: Overrides, out: Path | None, *, quiet: bool) -> Prepared:
    """Prepare a new run of a scenario, and create its folder.

    Raises: UsageError, ConfigError, SetupError if the scenario or the folder cannot be used."""
    from hil.engine.run_preparation import prepare_new_run

    if source is None:
        raise UsageError("which scenario?", remedy="hil run quickstart")
    new = prepare_new_run(source, overrides, out, lambda loaded: session.plan(loaded, frames=0))
    session.run_dir = new.run_dir
    if not quiet:
        for notice in new.notices:
            say(wrapped(f"note: {notice}"))
        for warning in new.warnings:
            say(f"warning: {warning}")
    return Prepared(
        new.scenario,
        new.run_dir,
        resume=False,
        made=new.made,
        file=new.file,
        plant=new.plant,
        left_out=new.left_out,
    )


def resumed(run_dir: Path, source: str | None, overrides: Overrides, out: Path | None) -> Prepared:
    """Prepare to resume an interrupted run; its scenario is that of its record.

    Raises: UsageError, RecordError, SetupError if it cannot be resumed."""
    if source is not None or out is not None or overrides != type(overrides)():
        raise UsageError(
            "--resume takes the scenario and all options from the run",
            remedy=f"hil run --resume {run_dir}",
        )
    from hil.engine.resume import open_run
    from hil.record.run_lock import refuse_if_running

    must_be_run(run_dir)
    refuse_if_running(run_dir if run_dir.is_dir() else run_dir.parent)
    scenario, folder = open_run(run_dir)
    session.run_dir = folder
    session.plan(scenario, frames=None)
    return Prepared(scenario, folder, resume=True, made=False)


@contextlib.contextmanager
def tidied(prepared: Prepared) -> Iterator[None]:
    """Remove the empty folder if the run cannot begin. A folder that the user named stays, with the
    reports of the failure."""
    try:
        yield
    except (HilError, KeyboardInterrupt):
        if prepared.made:
            with contextlib.suppress(OSError):
                prepared.run_dir.rmdir()
                session.run_dir = session.reports = None
        raise
