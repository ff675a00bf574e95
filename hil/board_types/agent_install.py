"""Installs the agent on a board, or removes it: files and commands, carried out over ssh."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.assets import sources_dir
from hil.board_types.board_programs import PROGRAMS, BoardProgram
from hil.board_types.board_survey import AGENT, STAMP, UNIT
from hil.errors import LinkError, SetupError, UsageError

__all__ = ["Plan", "carry_out", "machine_of", "make_plan", "make_removal", "write_folder"]

_STAGE: Final = "/tmp/hil-install"  # noqa: S108 (on the board, of its own user, and replaced)
_TIMEOUT_S: Final = 600
_STDERR: Final = 2
"""The descriptor: stdout is for the result."""

_UNIT: Final = """\
# The agent of hil on this board. Written by `hil board install`.
[Unit]
Description=hil-agent: one node of a hardware-in-the-loop bench
StartLimitIntervalSec=0

[Service]
# The agent kicks the watchdog itself: if it freezes, or the board does, the board restarts. It may
# turn clocks and power modes, because this is a board under test.
ExecStart=/usr/local/bin/hil-agent --port {device} --baud {baud} --knobs system \
  --watchdog /dev/watchdog{programs}
Restart=always
RestartSec=1
# Whatever an upset does to the rest of the system, the agent goes last.
OOMScoreAdjust=-900
Nice=-10

[Install]
WantedBy=multi-user.target
"""

_UDEV: Final = """\
# The port of hil-agent. Written by `hil board install`.
SUBSYSTEM=="tty", {match}=="{name}", GROUP="dialout", MODE="0660", TAG+="systemd", \
ENV{{SYSTEMD_WANTS}}+="hil-agent.service"
"""

_WATCHDOG: Final = """\
# The watchdog is hil-agent's while the board runs. Written by `hil board install`.
[Manager]
RuntimeWatchdogSec=off
RebootWatchdogSec=2min
"""

_SCRIPT: Final = """\
#!/bin/sh
# Installs hil-agent from the folder of this script; run it as root on the board.
set -eu
cd "$(dirname "$0")"
rm -f {stamp}
install -D -m 755 hil-agent {agent}
install -D -m 644 hil-agent.service {unit}
install -D -m 644 99-hil-agent.rules {rules}
install -D -m 644 hil-watchdog.conf {watchdog}
for program in program-*; do
  [ -f "$program" ] || continue
  install -D -m 755 "$program" "{folder}/${{program#program-}}"
done
for file in beside-*; do
  [ -f "$file" ] || continue
  install -D -m 644 "$file" "{folder}/${{file#beside-}}"
done
# No login prompt on the port of the agent, whatever else it is called.
for port in {name} "$(basename "$(readlink -f {device})")"; do
  systemctl mask --now "serial-getty@$port.service"
done
{console}systemctl daemon-reload
udevadm control --reload
systemctl enable hil-agent.service
systemctl restart hil-agent.service
install -D -m 644 installed {stamp}
echo "hil-agent runs on {device}; restart the board once, for console and watchdog"
"""

# Kernel messages would travel between the frames; and the good UART of these boards is Bluetooth's.
_PI_CONSOLE: Final = """\
for boot in /boot/firmware /boot; do
  [ -f "$boot/cmdline.txt" ] || continue
  [ -f "$boot/cmdline.txt.hil" ] || cp "$boot/cmdline.txt" "$boot/cmdline.txt.hil"
  sed -E -i 's/console=(serial[01]|ttyAMA[0-9]*|ttyS0)(,[^ ]*)?( +|$)//g' "$boot/cmdline.txt"
  for line in {lines}; do
    # What stands behind a filter such as [cm4] is for other boards.
    awk -v line="$line" 'BEGIN {{ here = 1 }} {{ sub(/\\r$/, "") }}
      /^\\[/ {{ here = $0 == "[all]" }} here && $0 == line {{ found = 1 }}
      END {{ exit !found }}' "$boot/config.txt" ||
      printf '\\n[all]\\n%s\\n' "$line" >>"$boot/config.txt"
  done
  break
done
"""
_JETSON_CONSOLE: Final = """\
systemctl mask --now nvgetty.service || true
"""

# Words that were added to the command line since, such as those of an overlay, stay there.
_REMOVAL: Final = """\
#!/bin/sh
# Removes hil-agent, and gives its port back to the console; run it as root on the board.
set -eu
device=$(sed -n 's/.*--port \\([^ ]*\\).*/\\1/p' {unit} 2>/dev/null || true)
systemctl disable --now hil-agent.service || true
rm -f {stamp} {agent} {unit} {rules} {watchdog}
rm -rf {folder}
if [ -n "$device" ]; then
  for port in "${{device##*/}}" "$(basename "$(readlink -f "$device")")"; do
    systemctl unmask "serial-getty@$port.service"
  done
fi
[ "$(readlink -f /etc/systemd/system/nvgetty.service)" != /dev/null ] ||
  systemctl unmask nvgetty.service
for boot in /boot/firmware /boot; do
  [ -f "$boot/cmdline.txt.hil" ] || continue
  consoles=$(tr ' ' '\\n' <"$boot/cmdline.txt.hil" |
    grep -E '^console=(serial[01]|ttyAMA[0-9]*|ttyS0)(,.*)?$' | tr '\\n' ' ' || true)
  grep -qF "$consoles" "$boot/cmdline.txt" || sed -i "1s/^/$consoles/" "$boot/cmdline.txt"
  rm "$boot/cmdline.txt.hil"
  break
done
systemctl daemon-reload
udevadm control --reload
echo "hil-agent is removed; restart the board once, for console and watchdog"
"""

_RULES: Final = "/etc/udev/rules.d/99-hil-agent.rules"
_WATCHDOG_CONF: Final = "/etc/systemd/system.conf.d/hil-watchdog.conf"
_PLACES: Final = {
    "agent": AGENT,
    "unit": UNIT,
    "stamp": STAMP,
    "rules": _RULES,
    "watchdog": _WATCHDOG_CONF,
    "folder": PROGRAMS,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an installation on a board, or of the removal of one.

    `files`: text by name; the agent, unless it `removes` it, and the files of `programs` are beside
    them. `commands`: run on this computer, in this order."""

    host: str
    device: str
    baud: int
    files: dict[str, str]
    commands: tuple[tuple[str, ...], ...]
    programs: tuple[BoardProgram, ...] = ()
    removes: bool = False

    def stamp(self, agent: Path) -> tuple[str, ...]:
        """Return the words by which a board knows what was installed: the digest of the agent and
        its files, and `NAME:DIGEST` of each program that is copied.

        Raises:
            UsageError: A file cannot be read.
        """
        out = hashlib.sha256()
        try:
            parts = [(name, text.encode()) for name, text in sorted(self.files.items())]
            for name, content in (*parts, ("hil-agent", agent.read_bytes())):
                out.update(f"{name}\0{len(content)}\0".encode() + content)
            copied = tuple(
                f"{program.name}:{_digest(program)}"
                for program in self.programs
                if program.file is not None
            )
        except OSError as error:
            raise UsageError(f"cannot read {error.filename}: {error.strerror}") from error
        return (out.hexdigest(), *copied)


def _digest(program: BoardProgram) -> str:
    """Return the digest of the file of a program; with files that it reads, of all."""
    assert program.file is not None
    out = hashlib.sha256(program.file.read_bytes())
    for path in program.beside:
        out.update(hashlib.sha256(path.read_bytes()).digest())
    return out.hexdigest()


def make_plan(
    host: str,
    device: str,
    baud: int,
    family: str = "",
    board: str = "",
    programs: Sequence[BoardProgram] = (),
) -> Plan:
    """Return the plan to install the agent on `host` (user@name) to serve `device`, and to allow it
    `programs`.

    `family` and `board` are those of its profile, empty if not known.

    Raises:
        UsageError: The host or the device is not valid.
    """
    _check_host(host)
    name = device.rsplit("/", 1)[-1]
    if not device.startswith("/dev/") or not name.isalnum():
        raise UsageError(
            f"`{device}` is not a serial device of a board", remedy="--device /dev/ttyAMA0"
        )
    console = ""
    if family == "raspberry-pi":
        lines = ["enable_uart=1"]
        if board != "raspberry-pi-5":
            lines.append("dtoverlay=disable-bt")
        elif name != "ttyAMA10":  # the header's port, not that of the debug connector
            lines.append("dtparam=uart0=on")
        console = _PI_CONSOLE.format(lines=" ".join(lines))
    elif family == "jetson":
        console = _JETSON_CONSOLE
    allowed = "".join(f" \\\n  --exec {program.option}" for program in programs)
    files = {
        "hil-agent.service": _UNIT.format(device=device, baud=baud, programs=allowed),
        "99-hil-agent.rules": _UDEV.format(
            name=name, match="SYMLINK" if name.startswith("serial") else "KERNEL"
        ),
        "hil-watchdog.conf": _WATCHDOG,
        "install.sh": _SCRIPT.format(name=name, device=device, console=console, **_PLACES),
    }
    copied = [name for _, name in _copies(programs)]
    commands = _commands(host, ["hil-agent", "installed", *files, *copied], "install.sh")
    return Plan(host, device, baud, files, commands, tuple(programs))


def make_removal(host: str) -> Plan:
    """Return the plan to remove the agent from `host` (user@name).

    Raises:
        UsageError: The host is not valid.
    """
    _check_host(host)
    files = {"uninstall.sh": _REMOVAL.format(**_PLACES)}
    return Plan(host, "", 0, files, _commands(host, [*files], "uninstall.sh"), removes=True)


def _check_host(host: str) -> None:
    if not host or host.startswith("-") or any(c.isspace() for c in host):
        raise UsageError(
            f"`{host}` is not a valid host", remedy="hil board install pi@192.168.1.20"
        )


def _staged(program: BoardProgram) -> str:
    """Return the name under which the file of a program is copied."""
    return f"program-{program.name}"


def _copies(programs: Sequence[BoardProgram]) -> list[tuple[Path, str]]:
    """Return the files that are copied for programs, and the names under which they are: the
    programs, the files that they read, and, beside them, the SDK that they may be written with."""
    copied = [(p.file, _staged(p)) for p in programs if p.file is not None]
    beside = {f"beside-{path.name}": path for p in programs for path in p.beside}
    if copied:
        beside |= {f"beside-{path.name}": path for path in _sdk()}
    return [*copied, *((path, name) for name, path in sorted(beside.items()))]


def _sdk() -> list[Path]:
    folder = sources_dir() / "port" / "linux" / "sdk"
    return [folder / "hil_worker.h", folder / "hil_worker.py"]


def _commands(host: str, names: Sequence[str], script: str) -> tuple[tuple[str, ...], ...]:
    return (
        ("ssh", host, f"rm -rf {_STAGE} && mkdir -m 700 {_STAGE}"),
        ("scp", "-q", *names, f"{host}:{_STAGE}/"),
        ("ssh", "-t", host, f"sudo sh {_STAGE}/{script} && rm -rf {_STAGE}"),
    )


def write_folder(plan: Plan, agent: Path | None, folder: Path) -> list[Path]:
    """Write all that a plan takes to the board into `folder`; `agent` is the one for the board,
    None if the plan removes it. Return the files.

    Raises:
        UsageError: A file cannot be written or read.
    """
    written: list[Path] = []
    texts = dict(plan.files)
    if agent is not None:
        texts["installed"] = "".join(f"{word}\n" for word in plan.stamp(agent))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            path.write_text(text, encoding="utf-8")
            if name.endswith(".sh"):
                path.chmod(0o755)
            written.append(path)
        copies = [] if agent is None else [(agent, "hil-agent")]
        for source, name in [*copies, *_copies(plan.programs)]:
            copy = folder / name
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o644 if name.startswith("beside-") else 0o755)
            written.append(copy)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from error
    return written


def machine_of(host: str) -> str:
    """Ask a board over ssh for its kind of processor.

    Raises:
        SetupError: ssh is not installed.
        LinkError: The board cannot be reached.
    """
    done = _run(("ssh", host, "uname -m"), capture=True)
    return done.strip().rsplit("\n", 1)[-1].strip()  # a shell's greeting may stand before


def carry_out(plan: Plan, agent: Path | None, say: Callable[[str], None]) -> None:
    """Carry out a plan; `agent` is the one for the board, None if the plan removes it. What the
    board prints goes to stderr.

    Raises:
        SetupError: ssh is not installed.
        LinkError: The board cannot be reached, or a command fails.
        UsageError: A file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="hil-install-") as name:
        folder = Path(name)
        write_folder(plan, agent, folder)
        for command in plan.commands:
            say(" ".join(command))
            _run(command, folder)


def _run(command: Sequence[str], cwd: Path | None = None, *, capture: bool = False) -> str:
    if shutil.which(command[0]) is None:
        raise SetupError(f"there is no {command[0]} here", remedy="sudo apt install openssh-client")
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            stdout=subprocess.PIPE if capture else _STDERR,
        )
    except subprocess.TimeoutExpired:
        raise LinkError(f"`{' '.join(command)}` took longer than {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise LinkError(
            f"`{' '.join(command)}` failed with code {done.returncode}",
            remedy="try it by hand; or write the files with --files DIR and copy them",
        )
    return done.stdout or ""
