"""The survey of a board over ssh: its processor, its agent, and what its root file system is on.

Nothing is changed there. Each line of the answer begins with a word of this module, because the
greeting of a login shell may stand before and between them."""

from __future__ import annotations

import itertools
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from hil.errors import LinkError, SetupError
from hil.printable import one_line
from hil.scenario.bench_report import RootState

__all__ = ["AGENT", "STAMP", "UNIT", "BoardSurvey", "root_state", "survey", "survey_of"]

AGENT: Final = "/usr/local/bin/hil-agent"
UNIT: Final = "/etc/systemd/system/hil-agent.service"
STAMP: Final = "/usr/local/share/hil/installed"
"""The words that identify what was installed, written when all of it was."""

_SCRIPT: Final = f"""\
echo "hil-machine $(uname -m)"
echo "hil-agent $({AGENT} --version 2>/dev/null)"
echo "hil-installed $(cat {STAMP} 2>/dev/null | tr '\\n' ' ')"
echo "hil-service $(systemctl is-active hil-agent.service 2>/dev/null)"
echo "hil-start $(sed -n '/^ExecStart=/,/[^\\\\]$/p' {UNIT} 2>/dev/null | tr -d '\\\\\\n')"
sed 's/^/hil-mount /' /proc/mounts
"""
_CONNECT_S: Final = 10
_TIMEOUT_S: Final = 60
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "rootfs"})
_OVERLAYS: Final = frozenset({"overlay", "overlayfs", "aufs"})
_NEVER_WRITTEN: Final = frozenset({"squashfs", "erofs", "iso9660", "cramfs", "romfs"})


@dataclass(frozen=True, slots=True)
class BoardSurvey:
    """The answers of a board. `machine`: as `uname -m` says; `agent`: version and wire version of
    the agent that is installed, empty without one; `installed`: the words of the last complete
    installation, none if there is none; `is_running`: whether the agent's service runs; `start`:
    the words with which it is started; `root`: whether its root file system is written."""

    machine: str
    agent: str
    installed: frozenset[str]
    is_running: bool
    start: tuple[str, ...]
    root: RootState

    @property
    def device(self) -> str | None:
        """Return the serial device that the agent serves; None without an agent."""
        pairs = itertools.pairwise(self.start)
        return next((value for word, value in pairs if word == "--port"), None)


def survey(host: str, *, may_ask: bool = True) -> BoardSurvey:
    """Survey the board `host` (user@name, or a name of the ssh configuration). Unless `may_ask`,
    ssh asks for no password.

    Raises:
        SetupError: ssh is not installed.
        LinkError: The board cannot be reached, or answers nothing that makes sense.
    """
    if shutil.which("ssh") is None:
        raise SetupError("there is no ssh here", remedy="sudo apt install openssh-client")
    quiet = () if may_ask else ("-o", "BatchMode=yes")
    command = ("ssh", "-o", f"ConnectTimeout={_CONNECT_S}", *quiet, host, "sh -s")
    try:
        done = subprocess.run(
            command,
            input=_SCRIPT,
            text=True,
            errors="replace",
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LinkError(f"{host} did not answer over ssh within {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        why = one_line(lines[-1]) if lines else f"ssh ended with code {done.returncode}"
        raise LinkError(f"{host} is not reached over ssh: {why}", remedy=f"try: ssh {host}")
    return survey_of(done.stdout, host)


def survey_of(text: str, host: str) -> BoardSurvey:
    """Return the survey that a board has answered as `text`.

    Raises:
        LinkError: The answer is not one.
    """
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        values.setdefault(word, []).append(value.strip())

    def first(word: str) -> str:
        return values.get(word, [""])[0]

    machine = first("hil-machine")
    if not machine:
        raise LinkError(
            f"{host} answers over ssh, but its shell does not carry out commands",
            remedy=f"does `ssh {host} uname -m` print its processor?",
        )
    try:
        start = shlex.split(first("hil-start").removeprefix("ExecStart="))
    except ValueError:
        start = []
    return BoardSurvey(
        machine=machine,
        agent=first("hil-agent").removeprefix("hil-agent ").rpartition(",")[0],
        installed=frozenset(first("hil-installed").split()),
        is_running=first("hil-service") == "active",
        start=tuple(start),
        root=root_state(values.get("hil-mount", [])),
    )


def root_state(mounts: Sequence[str]) -> RootState:
    """Return whether the root file system is written to, by the lines of /proc/mounts."""
    at: dict[str, tuple[str, list[str]]] = {}
    for line in mounts:
        fields = line.split()
        if len(fields) >= 4:
            at[fields[1]] = (fields[2], fields[3].split(","))  # the last one covers the others
    if "/" not in at:
        return RootState.UNKNOWN
    kind, options = at["/"]
    if "ro" in options or kind in _NEVER_WRITTEN:
        return RootState.READ_ONLY
    if kind in _IN_MEMORY:
        return RootState.OVERLAY
    if kind not in _OVERLAYS:
        return RootState.WRITABLE
    upper = next((o.removeprefix("upperdir=") for o in options if o.startswith("upperdir=")), "")
    # The layer that is written to is in memory, unless its own file system is seen and is not.
    for folder in PurePosixPath(upper).parents:
        if str(folder) != "/" and str(folder) in at:
            return RootState.OVERLAY if at[str(folder)][0] in _IN_MEMORY else RootState.WRITABLE
    return RootState.OVERLAY
