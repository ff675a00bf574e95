"""Process boards: the `hil-agent` executable on a pty, which pyserial opens like any port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hil.board_types.agent_build import cached_agent
from hil.board_types.compilers import native
from hil.clock import HOST
from hil.errors import SetupError
from hil.rig.addresses import addresses_of
from hil.rig.backends.capabilities import UnexpectedExits
from hil.rig.backends.stderr_reader import StderrReader, StderrSink
from hil.rig.offspring import ADOPTION, Mark, end_with_all
from hil.rig.own_workload import OwnWorkload
from hil.rig.processor_use import ProcessorUse
from hil.rig.program import agent_options
from hil.rig.transport import SerialTransport

_START_TIMEOUT_S = 20.0
_ENDING_TIMEOUT_S = 0.2
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def find_agent() -> Path:
    """Return the hil-agent executable: $HIL_AGENT, beside this Python, or on the PATH.

    Raises: SetupError if there is none.
    """
    given = os.environ.get("HIL_AGENT")
    if given:
        if not (Path(given).is_file() and os.access(given, os.X_OK)):
            raise SetupError(
                f"$HIL_AGENT names {given}, which is not an executable file",
                remedy="correct or unset HIL_AGENT",
            )
        return Path(given)
    beside = Path(sys.executable).parent / "hil-agent"
    if beside.exists():
        return beside
    on_path = shutil.which("hil-agent")
    if on_path:
        return Path(on_path)
    raise SetupError(
        "the hil-agent executable was not found",
        remedy="install this package again with pip (it builds hil-agent), or set HIL_AGENT",
    )


def agent_with(own: OwnWorkload) -> Path:
    """Return an agent for this computer that has the workload `own`: $HIL_AGENT, or one that is
    compiled.

    Raises: SetupError or ConfigError if that is not possible."""
    if os.environ.get("HIL_AGENT"):
        return find_agent()
    target = native()
    assert target is not None, "the workload is compiled for this computer already"
    return cached_agent(target, workloads=(own.source,))


class ProcessBoard:
    """A board that is a process of this computer, on `core` if one is given. Power off is SIGKILL,
    power on a new process.

    Its limits apply to its worker only: it does not change this computer's clock or power mode."""

    kind = "process"
    can_cycle = True
    can_return = False

    def __init__(
        self,
        name: str,
        agent: Path | None = None,
        programs: Mapping[str, tuple[str, ...]] | None = None,
        core: int | None = None,
    ) -> None:
        self.name = name
        self._core = core
        self._programs = programs
        self._agent = agent or find_agent()
        self._process: subprocess.Popen[bytes] | None = None
        self._ends = UnexpectedExits()
        self._mark = Mark()
        self._stderr: StderrReader | None = None
        self.stderr_sink: StderrSink | None = None
        self.processor_use: ProcessorUse | None = None
        self.fixed_addresses: bool | None = True
        self.port = ""

    def read_executable(self) -> bytes:
        return self._agent.read_bytes()

    @property
    def pid(self) -> int | None:
        """Return the process id of the agent; None without one."""
        return self._process.pid if self._process else None

    @property
    def has_power(self) -> bool:
        """Return whether its process is alive."""
        return self._process is not None and self._process.poll() is None

    def connect(self) -> SerialTransport:
        """Open the board's port; start the board if it does not run. Raises: SetupError if that
        fails."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        return SerialTransport(self.port)

    def _start(self) -> None:
        self.power_off()
        ADOPTION.begin()
        try:
            self._process = subprocess.Popen(
                [
                    str(self._agent),
                    "--port",
                    "pty",
                    "--knobs",
                    "worker",
                    f"--exit-with-parent={os.getpid()}",
                    *agent_options(self._programs),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._mark.environment,
                start_new_session=True,  # the terminal's Ctrl-C is for the host alone
            )
        except OSError as error:
            ADOPTION.end()
            raise SetupError(f"cannot start {self._agent}: {error}") from error
        if self._core is not None:  # its worker, which it starts later, inherits that
            os.sched_setaffinity(self._process.pid, {self._core})
        assert self._process.stderr is not None
        self._stderr = StderrReader(self._process.stderr, self.stderr_sink, self.name)
        self.port = self._announced_port()
        self.processor_use = ProcessorUse(self._process.pid)
        self._update_fixed_addresses(self._process.pid)

    def _update_fixed_addresses(self, pid: int) -> None:
        """Update `fixed_addresses`, which holds for all agents of the run, by a new one."""
        try:
            fixed = addresses_of(pid).fixed
        except (OSError, ValueError):
            self.fixed_addresses = self.fixed_addresses and None
        else:
            self.fixed_addresses = self.fixed_addresses if fixed else False

    def _announced_port(self) -> str:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        line = b""
        deadline_us = HOST.now_us() + int(_START_TIMEOUT_S * 1e6)
        while not line.endswith(b"\n"):
            left_us = deadline_us - HOST.now_us()
            ready = left_us > 0 and HOST.readable([process.stdout.fileno()], left_us)
            part = os.read(process.stdout.fileno(), 256) if ready else b""
            if not part:
                break
            line += part
        if line.startswith(b"port ") and line.endswith(b"\n"):
            return line[5:].strip().decode()
        reader = self._stderr
        self.power_off()
        stderr = "" if reader is None else reader.tail
        raise SetupError(
            f"{self._agent} did not start for node {self.name}: {stderr or 'it printed nothing'}",
            remedy="run `hil doctor`",
        )

    def condition(self, *, disconnected: bool) -> str | None:
        """Return how the agent process ended, in words; None while it is alive. With
        `disconnected`, wait a moment for its end: the link may close before the process ends."""
        if self._process is None:
            return "no power"
        try:
            return _end_text(self._process.wait(_ENDING_TIMEOUT_S if disconnected else 0))
        except subprocess.TimeoutExpired:
            return None

    @property
    def unexpected_exits(self) -> UnexpectedExits:
        """Return how its agents ended that another program ended. An agent that ended by itself is
        not included: an upset may have caused that."""
        code = None if self._process is None else self._process.poll()
        if code is None or -code not in _FROM_OUTSIDE:
            return self._ends
        return UnexpectedExits(self._ends.count + 1, self._ends.first or _end_text(code))

    def power_off(self) -> None:
        if self.processor_use is not None:
            self.processor_use.close()
            self.processor_use = None
        if self._process is None:
            return
        self._ends = self.unexpected_exits
        end_with_all(self._process, self._mark)
        ADOPTION.end()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None
        self._process = None

    def power_cycle(self) -> None:
        self.power_off()
        self._start()

    def shut_down(self) -> None:
        self.power_off()


def _end_text(code: int) -> str:
    if code < 0:
        return f"agent process killed by {signal.Signals(-code).name}"
    return f"agent process ended with code {code}"
