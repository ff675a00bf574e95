"""Installs the agent on a board: its files and commands, carried out over ssh."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import LinkError, SetupError, UsageError

__all__ = ["Plan", "carry_out", "machine_of", "make_plan", "write_files"]

_STAGE: Final = "/tmp/hil-install"  # noqa: S108 (on the board, of its own user, and replaced)
_TIMEOUT_S: Final = 600

_UNIT: Final = """\
# The agent of hil on this board. Written by `hil board install`.
[Unit]
Description=hil-agent: one node of a hardware-in-the-loop bench
StartLimitIntervalSec=0

[Service]
# The agent kicks the watchdog itself: if it freezes, or the board does, the board restarts. It may
# turn clocks and power modes, because this is a board under test.
ExecStart=/usr/local/bin/hil-agent --port {device} --baud {baud} --knobs system \
  --watchdog /dev/watchdog
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
install -m 755 hil-agent /usr/local/bin/hil-agent
install -m 644 hil-agent.service /etc/systemd/system/hil-agent.service
install -m 644 99-hil-agent.rules /etc/udev/rules.d/99-hil-agent.rules
install -D -m 644 hil-watchdog.conf /etc/systemd/system.conf.d/hil-watchdog.conf
# No login prompt on the port of the agent, whatever else it is called.
for port in {name} "$(basename "$(readlink -f {device})")"; do
  systemctl mask --now "serial-getty@$port.service"
done
{console}systemctl daemon-reload
udevadm control --reload
systemctl enable hil-agent.service
systemctl restart hil-agent.service
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


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an installation on a board.

    `files`: text by name; the agent itself is beside them. `commands`: run on this computer, in
    this order."""

    host: str
    device: str
    baud: int
    files: dict[str, str]
    commands: tuple[tuple[str, ...], ...]


def make_plan(host: str, device: str, baud: int, family: str = "", board: str = "") -> Plan:
    """Return the plan to install the agent on `host` (user@name) to serve `device`.

    `family` and `board` are those of its profile, empty if not known.

    Raises:
        UsageError: The host or the device is not valid.
    """
    if not host or host.startswith("-") or any(c.isspace() for c in host):
        raise UsageError(
            f"`{host}` is not a valid host", remedy="hil board install pi@192.168.1.20"
        )
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
    files = {
        "hil-agent.service": _UNIT.format(device=device, baud=baud),
        "99-hil-agent.rules": _UDEV.format(
            name=name, match="SYMLINK" if name.startswith("serial") else "KERNEL"
        ),
        "hil-watchdog.conf": _WATCHDOG,
        "install.sh": _SCRIPT.format(name=name, device=device, console=console),
    }
    commands = (
        ("ssh", host, f"rm -rf {_STAGE} && mkdir -m 700 {_STAGE}"),
        ("scp", "-q", "hil-agent", *files, f"{host}:{_STAGE}/"),
        ("ssh", "-t", host, f"sudo sh {_STAGE}/install.sh && rm -rf {_STAGE}"),
    )
    return Plan(host, device, baud, files, commands)


def write_files(plan: Plan, folder: Path) -> list[Path]:
    """Write the files of a plan, without the agent.

    Raises:
        UsageError: A file cannot be written.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in plan.files.items():
            path = folder / name
            path.write_text(text, encoding="utf-8")
            if name.endswith(".sh"):
                path.chmod(0o755)
            written.append(path)
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


def carry_out(plan: Plan, agent: Path, say: Callable[[str], None]) -> None:
    """Carry out a plan.

    Raises:
        SetupError: ssh is not installed.
        LinkError: The board cannot be reached, or a command fails.
    """
    with tempfile.TemporaryDirectory(prefix="hil-install-") as name:
        folder = Path(name)
        write_files(plan, folder)
        shutil.copy(agent, folder / "hil-agent")
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
            stdout=subprocess.PIPE if capture else None,
        )
    except subprocess.TimeoutExpired:
        raise LinkError(f"`{' '.join(command)}` took longer than {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise LinkError(
            f"`{' '.join(command)}` failed with code {done.returncode}",
            remedy="try it by hand; or write the files with --files DIR and copy them",
        )
    return done.stdout or ""
