"""Installs, updates or removes the agents of all boards of a bench, one after the other over ssh.

A board that has exactly what would be installed is skipped. One that fails does not keep the others
from theirs; its row says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hil import __version__
from hil.board_types.agent_install import carry_out, make_plan, make_removal
from hil.board_types.board_programs import BoardProgram, check_machine, programs_of_start
from hil.board_types.board_survey import BoardSurvey, survey
from hil.board_types.catalogue import load_board_profile
from hil.board_types.compilers import BuildTarget, target_named
from hil.errors import HilError, LinkError, SetupError, UsageError
from hil.json_values import JsonObject
from hil.kernel import WIRE_VERSION
from hil.scenario.bench import BenchBoardConfig
from hil.scenario.bench_report import RootState
from hil.word_enum import Word

__all__ = [
    "BenchInstallation",
    "BenchInstaller",
    "BoardInstallation",
    "InstallState",
    "check_reachable",
]

_NEW: Final = f"{__version__}, wire version {WIRE_VERSION}"


class InstallState(Word):
    """The result for one board; the last three are those of a run that changes nothing."""

    INSTALLED = "installed"
    UPDATED = "updated"
    UP_TO_DATE = "up to date"
    REMOVED = "removed"
    NOT_THERE = "not installed"
    FAILED = "failed"
    WOULD_INSTALL = "would install"
    WOULD_UPDATE = "would update"
    WOULD_REMOVE = "would remove"


@dataclass(frozen=True, slots=True)
class BoardInstallation:
    """The result for one board. `before` and `after`: version and wire version of its agent, empty
    without one, or if they are not known; `detail` and `remedy`: why it failed, and what to try."""

    board: str
    host: str
    state: InstallState
    before: str = ""
    after: str = ""
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class BenchInstallation:
    """The results for the boards of the bench file `bench`."""

    bench: str
    boards: tuple[BoardInstallation, ...]

    @property
    def ok(self) -> bool:
        """Return whether none failed."""
        return not any(board.state is InstallState.FAILED for board in self.boards)

    def as_json(self) -> JsonObject:
        """Return it as the JSON object of `hil board install --bench FILE --json`."""
        return {"ok": self.ok, **asdict(self)}


def check_reachable(boards: Sequence[BenchBoardConfig]) -> None:
    """Check that the bench file says of each board how it is reached.

    Raises:
        UsageError: It does not say it of some.
    """
    lacking = [board.name for board in boards if board.ssh is None]
    if lacking:
        raise UsageError(
            f"the bench file does not say how to reach {', '.join(lacking)} over ssh",
            remedy="add `ssh: pi@192.168.1.20` to the board, or choose others with --use",
        )


class BenchInstaller:
    """Installs the agent on boards of a bench. `agent_for` returns the agent for a processor,
    `announce` gets a sentence about each step. `programs`: what the agents are to allow; None: what
    they allow already. With `dry_run` nothing is changed."""

    def __init__(
        self,
        agent_for: Callable[[BuildTarget], Path],
        announce: Callable[[str], None],
        *,
        programs: Sequence[BoardProgram] | None = None,
        dry_run: bool = False,
    ) -> None:
        self._agent_for = agent_for
        self._announce = announce
        self._programs = programs
        self._dry_run = dry_run

    def install(self, board: BenchBoardConfig) -> BoardInstallation:
        """Install or update the agent of one board, unless it is up to date. Raises nothing for a
        board that fails."""
        return self._guarded(board, self._install)

    def remove(self, board: BenchBoardConfig) -> BoardInstallation:
        """Remove the agent of one board. Raises nothing for a board that fails."""
        return self._guarded(board, self._remove)

    def _guarded(
        self,
        board: BenchBoardConfig,
        do: Callable[[BenchBoardConfig, str], BoardInstallation],
    ) -> BoardInstallation:
        host = board.ssh or ""
        self._announce(f"{board.name}: {host}")
        try:
            return do(board, host)
        except HilError as error:
            remedy = error.remedy or ""
            return BoardInstallation(
                board.name, host, InstallState.FAILED, detail=error.message, remedy=remedy
            )

    def _install(self, board: BenchBoardConfig, host: str) -> BoardInstallation:
        before = survey(host)
        profile = None if board.profile is None else load_board_profile(board.profile)
        of_profile = None if profile is None or profile.serial is None else profile.serial.device
        device = board.agent_port or of_profile or before.device
        if device is None:
            raise UsageError(
                f"{board.name}: on which serial device of the board is its agent to answer?",
                remedy="write `profile: raspberry-pi-4b`, or `agent_port: /dev/ttyAMA0`",
            )
        target = _target(before, host)
        programs = self._programs
        if programs is None:
            programs = programs_of_start(before.start)
        check_machine(programs, target)
        family, name = ("", "") if profile is None else (profile.family, profile.name)
        plan = make_plan(host, device, board.baud, family, name, programs)
        agent = self._agent_for(target)
        stamp = plan.stamp(agent)

        def result(state: InstallState, after: str) -> BoardInstallation:
            return BoardInstallation(board.name, host, state, before.agent, after)

        if before.installed.issuperset(stamp) and before.is_running:
            return result(InstallState.UP_TO_DATE, before.agent)
        _check_root(before, host)
        if self._dry_run:
            is_new = not before.agent
            state = InstallState.WOULD_INSTALL if is_new else InstallState.WOULD_UPDATE
            return result(state, _NEW)
        carry_out(plan, agent, self._announce)
        after = survey(host)
        if not after.installed.issuperset(stamp) or not after.is_running:
            raise LinkError(
                f"{host}: the agent is installed, and its service does not run",
                remedy=f"ssh {host} systemctl status hil-agent",
            )
        state = InstallState.UPDATED if before.agent else InstallState.INSTALLED
        return result(state, after.agent)

    def _remove(self, board: BenchBoardConfig, host: str) -> BoardInstallation:
        before = survey(host)
        if not (before.agent or before.installed or before.start):
            return BoardInstallation(board.name, host, InstallState.NOT_THERE)
        _check_root(before, host)
        if self._dry_run:
            state = InstallState.WOULD_REMOVE
            return BoardInstallation(board.name, host, state, before.agent)
        carry_out(make_removal(host), None, self._announce)
        after = survey(host)
        if after.agent or after.start:
            raise LinkError(f"{host}: the agent is still there", remedy=f"try: ssh {host}")
        return BoardInstallation(board.name, host, InstallState.REMOVED, before.agent)


def _target(board: BoardSurvey, host: str) -> BuildTarget:
    """Return the processor of a board. Raises: SetupError if there is no agent for it."""
    try:
        return target_named(board.machine)
    except UsageError:
        raise SetupError(
            f"{host} says that its processor is `{board.machine[:60]}`, for which there is no agent"
        ) from None


def _check_root(board: BoardSurvey, host: str) -> None:
    """Check that a change of the board's files lasts. Raises: SetupError."""
    if board.root is RootState.OVERLAY:
        raise SetupError(
            f"{host}: its root file system is an overlay in memory: a change would be gone after "
            "the next restart",
            remedy="switch the overlay off and restart the board first (boards/README.md, A root "
            "file system that survives power cuts)",
        )
    if board.root is RootState.READ_ONLY:
        raise SetupError(
            f"{host}: its root file system is mounted read-only",
            remedy=f"ssh -t {host} sudo mount -o remount,rw /",
        )
