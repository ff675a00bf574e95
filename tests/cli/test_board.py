"""`hil board`: profiles, the agent for a board, installing without a board."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hil.board_types.agent_build import build_agent, elf_problem
from hil.board_types.agent_install import make_plan
from hil.board_types.compilers import TARGETS, BuildTarget, native, target_named
from hil.errors import UsageError
from tests.command_line import Done, Hil


def board(hil: Hil, *words: str, code: int = 0) -> Done:
    done = hil("board", *words)
    assert done.code == code, done.err
    return done


@pytest.mark.slow
def test_profiles_are_listed_and_shown_with_their_sources(hil: Hil, tmp_path: Path) -> None:
    listed = board(hil, "list").out
    assert "raspberry-pi-4b" in listed and "jetson-orin-nano" in listed
    rows = board(hil, "list", "--json").json["boards"]
    assert {r["name"]: r["target"] for r in rows}["raspberry-pi-3b"] == "aarch64"
    shown = board(hil, "show", "raspberry-pi-3b").out
    assert "assumed" in shown and "raspberrypi.com" in shown
    assert board(hil, "show", "raspberry-pi-3b", "--json").json["soc"]
    assert "there is no board profile" in board(hil, "show", "no-pi", code=2).err


@pytest.mark.slow
def test_the_agent_for_this_computer_is_static_and_runs(hil: Hil, tmp_path: Path) -> None:
    target = native()
    if target is None:
        pytest.skip("the agent does not run on this kind of computer")
    made = board(hil, "build", "--target", target.name, "-o", "agent", "--json").json
    content = (tmp_path / "agent").read_bytes()
    assert made["static"] and made["bytes"] == len(content) and made["compiler"]
    assert elf_problem(content, target) == ""
    other = next(t for t in TARGETS if t != target)
    assert "machine" in elf_problem(content, other)
    version = subprocess.run(
        [tmp_path / "agent", "--version"], capture_output=True, text=True, timeout=20, check=True
    )
    assert version.stdout.startswith("hil-agent ")
    dynamic = Path(sys.executable).resolve().read_bytes()
    assert elf_problem(dynamic, target) == "it needs an interpreter: not static"
    assert elf_problem(b"#!/bin/sh\n" * 10, target) == "no ELF file"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("build", "--target", "z80"), 2, "there is no target `z80`"),
        (("build", "-o", "."), 2, "it is a folder"),
        (("build", "google-tpu-v6e"), 2, "does not run on"),
        (("build", "raspberry-pi-4b", "--target", "aarch64"), 2, "exclude each other"),
        (("build", "--compiler", "no-such-cc"), 3, "cannot be started"),
        (("emulate", "jetson-tx2"), 2, "cannot be emulated"),
        (("install", "pi@pi"), 2, "on which serial device"),
        (("install", "pi@pi", "--device", "ttyAMA0"), 2, "is not a serial device"),
        (("install", "-oProxyCommand=x", "--device", "/dev/ttyS0"), 2, ""),
        (
            ("install", "pi@pi", "--device", "/dev/ttyS0", "--baud", "12345"),
            2,
            "does not support the line rate 12345",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    hil: Hil, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in board(hil, *words, code=code).err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first time that the compiler runs, it compiles a C library
@pytest.mark.skipif(find_spec("ziglang") is None, reason="needs ziglang: pip install '.[cross]'")
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_compiler_of_the_extra_builds_for_every_target(
    target: BuildTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no other one
    built = build_agent(target, tmp_path / "agent")
    assert built.compiler.version.startswith("zig ")
    assert elf_problem(built.path.read_bytes(), target) == ""


def fake_ssh(folder: Path, machine: str) -> None:
    """ssh and scp that note what they are told, for a board whose `uname -m` says `machine`."""
    for name in ("ssh", "scp"):
        file = folder / name
        file.write_text(
            f'#!/bin/sh\necho {name} "$@" >>{folder}/told\n'
            f"case \"$*\" in *'uname -m') printf '{machine}';; esac\n"
        )
        file.chmod(0o755)


@pytest.mark.parametrize(
    ("machine", "code", "said"),
    [
        ("Welcome!\naarch64\n", 0, ""),
        ("armv7l\n", 0, "runs a system for armv7, and gets the agent for that"),
        ("mips\n", 3, "says that its processor is `mips`"),
    ],
)
def test_a_board_gets_the_agent_of_the_system_that_it_runs(
    hil: Hil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, code: int, said: str
) -> None:
    fake_ssh(tmp_path, machine)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("AARCH64", "ARMV7"):  # finished ones: nothing is compiled
        target = target_named(name)
        agent = tmp_path / f"agent-{target.name}"
        agent.write_bytes(bare_elf(target))
        monkeypatch.setenv(f"HIL_AGENT_{name}", str(agent))
    done = board(hil, "install", "pi@pi", "--profile", "raspberry-pi-4b", code=code)
    assert said in done.err
    told = (tmp_path / "told").read_text()
    assert ("sudo sh" in told) == (code == 0)


def bare_elf(target: BuildTarget) -> bytes:
    """A header and no program: as much as is looked at of an agent that somebody made."""
    head = bytearray(64)
    head[:5] = b"\x7fELF" + bytes([target.bits // 32])
    head[18:20] = target.machine.to_bytes(2, "little")
    return bytes(head)


def test_a_compiler_that_is_missing_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "x86-64" if native() == target_named("aarch64") else "aarch64"
    monkeypatch.setenv("PATH", str(tmp_path))
    code = (
        "import importlib.util as u, sys\nfind = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n == 'ziglang' else find(n, p)\n"
        f"sys.argv = ['hil', 'board', 'build', '--target', '{other}']\n"
        "from hil.cli import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert (
        "there is no compiler for" in done.stderr and "pip install 'ziglang>=0.11'" in done.stderr
    )


def test_installing_shows_what_it_would_do(hil: Hil, tmp_path: Path) -> None:
    said = board(hil, "install", "pi@10.0.0.7", "--profile", "raspberry-pi-4b", "--dry-run").out
    for words in (
        "ExecStart=/usr/local/bin/hil-agent --port /dev/ttyAMA0 --baud 115200",
        "Restart=always",
        "--watchdog /dev/watchdog",
        "--knobs system",
        "RuntimeWatchdogSec=off",
        'KERNEL=="ttyAMA0"',
        'systemctl mask --now "serial-getty@$port.service"',
        "for port in ttyAMA0 ",
        "dtoverlay=disable-bt",
        "scp -q hil-agent",
        "ssh -t pi@10.0.0.7",
    ):
        assert words in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("family", "board", "device", "has", "lacks"),
    [
        ("raspberry-pi", "raspberry-pi-5", "/dev/ttyAMA0", "dtparam=uart0=on", "disable-bt"),
        ("raspberry-pi", "raspberry-pi-5", "/dev/ttyAMA10", "enable_uart=1", "uart0=on"),
        ("jetson", "jetson-tx2", "/dev/ttyTHS2", "nvgetty", "cmdline.txt"),
        ("", "", "/dev/ttyS0", "for port in ttyS0 ", "cmdline.txt"),
    ],
)
def test_each_family_has_its_own_way_to_free_the_port(
    tmp_path: Path, family: str, board: str, device: str, has: str, lacks: str
) -> None:
    plan = make_plan("pi@pi", device, 115200, family, board)
    script = plan.files["install.sh"]
    assert has in script and lacks not in script
    subprocess.run(["sh", "-n"], input=script, text=True, check=True, timeout=20)


LINE = "console=tty1 root=PARTUUID=1-02 rootwait\n"
ALL = "\n[all]\n"


@pytest.mark.parametrize(
    ("cmdline", "config", "added"),
    [
        ("console=serial0,115200 " + LINE, "enable_uart=1\n", f"{ALL}dtoverlay=disable-bt\n"),
        (
            "console=ttyS0 console=ttyAMA0,115200n8 " + LINE,
            "enable_uart=1\r\ndtoverlay=disable-bt\r\n",
            "",
        ),
        (LINE, "[cm4]\nenable_uart=1\n[all]\ndtoverlay=disable-bt\n", f"{ALL}enable_uart=1\n"),
        (LINE, "enable_uart=1\n[pi5]\nhdmi=1", f"{ALL}dtoverlay=disable-bt\n"),
    ],
    ids=["usual", "two-consoles-crlf", "only-for-another-board", "no-end-of-line"],
)
def test_a_pi_is_configured_once_and_its_console_line_kept(
    tmp_path: Path, cmdline: str, config: str, added: str
) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / "cmdline.txt").write_text(cmdline)
    (boot / "config.txt").write_bytes(config.encode())
    script = make_plan("p@p", "/dev/ttyAMA0", 115200, "raspberry-pi").files["install.sh"]
    part = script[script.index("for boot in") : script.index("systemctl daemon-reload")]
    part = part.replace("/boot/firmware /boot", str(boot))
    for _ in range(2):  # twice is as once
        subprocess.run(["sh", "-eu"], input=part, text=True, check=True, timeout=20)
    assert (boot / "cmdline.txt").read_text() == LINE
    assert (boot / "cmdline.txt.hil").read_text() == cmdline
    assert (boot / "config.txt").read_bytes() == (config + added).encode()


def test_a_port_that_is_only_a_link_is_told_by_it_and_its_console_is_found() -> None:
    plan = make_plan("p@p", "/dev/serial0", 115200, "raspberry-pi")
    assert 'SYMLINK=="serial0"' in plan.files["99-hil-agent.rules"]
    assert "readlink -f /dev/serial0" in plan.files["install.sh"]


def test_a_host_that_is_an_option_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a valid host"):
        make_plan("-oProxyCommand=x", "/dev/ttyS0", 115200)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    plan = make_plan("pi@pi", "/dev/ttyAMA0", 115200, "raspberry-pi")
    unit = tmp_path / "hil-agent.service"
    unit.write_text(
        plan.files["hil-agent.service"].replace("/usr/local/bin/hil-agent", "/bin/true")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "hil-agent.service" not in done.stderr, done.stderr
