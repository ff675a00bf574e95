"""`hil board install --bench FILE`: the agents of a whole bench, on real sshds of this computer
where that is possible, and what of it needs no board."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import __version__
from hil.assets import sources_dir
from hil.board_types.agent_build import build_agent
from hil.board_types.agent_install import make_plan, make_removal, write_folder
from hil.board_types.board_programs import board_programs, check_machine, programs_of_start
from hil.board_types.board_survey import root_state, survey_of
from hil.board_types.compilers import native, target_named
from hil.errors import LinkError, UsageError
from hil.kernel import WIRE_VERSION
from hil.scenario.bench_report import RootState
from tests.command_line import Hil, clean_env

from .ssh_board import SshBoard, ssh_boards, why_not

NEW = f"{__version__}, wire version {WIRE_VERSION}"

# --- what a board answers -------------------------------------------------------------------------

ANSWER = """\
Welcome to left!
hil-machine aarch64
hil-agent hil-agent 0.0.9, wire version 7, aarch64
hil-installed 1234 filter:5678
hil-service active
hil-start ExecStart=/usr/local/bin/hil-agent --port /dev/ttyAMA0 --baud 115200 --exec f=/opt/f,-v
hil-mount proc /proc proc rw,nosuid 0 0
hil-mount /dev/mmcblk0p2 / ext4 rw,noatime 0 0
"""


def test_a_survey_is_read_whatever_a_login_shell_prints() -> None:
    board = survey_of(ANSWER, "left")
    assert (board.machine, board.agent) == ("aarch64", "0.0.9, wire version 7")
    assert board.installed == {"1234", "filter:5678"} and board.is_running
    assert board.device == "/dev/ttyAMA0" and board.root is RootState.WRITABLE
    assert [p.option for p in programs_of_start(board.start)] == ["f=/opt/f,-v"]


def test_a_board_without_an_agent_has_none_of_it() -> None:
    board = survey_of("hil-machine armv7l\nhil-agent \nhil-installed\nhil-start \n", "left")
    assert (board.agent, board.installed, board.is_running) == ("", frozenset(), False)
    assert (board.start, board.device, board.root) == ((), None, RootState.UNKNOWN)


def test_a_shell_that_carries_out_nothing_is_refused() -> None:
    with pytest.raises(LinkError, match="does not carry out commands"):
        survey_of("This account is not available.\n", "left")


@pytest.mark.parametrize(
    ("mounts", "state"),
    [
        (["/dev/mmcblk0p2 / ext4 rw,noatime 0 0"], RootState.WRITABLE),
        (["/dev/mmcblk0p2 / ext4 ro,noatime 0 0"], RootState.READ_ONLY),
        (["/dev/loop0 / squashfs rw 0 0"], RootState.READ_ONLY),
        (["rootfs / rootfs rw 0 0", "/dev/sda1 / ext4 rw 0 0"], RootState.WRITABLE),
        (
            [
                "tmpfs-root /media/root-rw tmpfs rw 0 0",
                "overlayroot / overlay rw,lowerdir=/ro,upperdir=/media/root-rw/overlay 0 0",
            ],
            RootState.OVERLAY,
        ),
        (["overlay / overlay rw,lowerdir=/lower,upperdir=/upper/data 0 0"], RootState.OVERLAY),
        (
            [
                "/dev/sda3 /overlay ext4 rw 0 0",
                "overlay / overlay rw,lowerdir=/rom,upperdir=/overlay/upper 0 0",
            ],
            RootState.WRITABLE,
        ),
        (["proc /proc proc rw 0 0"], RootState.UNKNOWN),
    ],
)
def test_a_root_survives_power_cuts_if_nothing_is_written_to_a_disk(
    mounts: list[str], state: RootState
) -> None:
    assert root_state(mounts) is state


# --- programs -------------------------------------------------------------------------------------


def test_programs_are_copied_or_are_on_the_board_already(tmp_path: Path) -> None:
    (tmp_path / "ab").write_text("#!/bin/sh\n")
    copied, there = board_programs([f"filter={tmp_path}/ab,-v", "net=board:/opt/net,/opt/e.plan"])
    assert copied.option == "filter=/usr/local/lib/hil/filter,-v" and copied.file is not None
    assert there.option == "net=/opt/net,/opt/e.plan" and there.file is None
    plan = make_plan("p@p", "/dev/ttyS0", 115200, programs=(copied, there))
    unit = plan.files["hil-agent.service"]
    assert (
        "  --exec filter=/usr/local/lib/hil/filter,-v \\\n  --exec net=/opt/net,/opt/e.plan" in unit
    )
    assert "program-filter" in plan.commands[1] and "program-net" not in plan.commands[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("filter", "expected NAME=PATH"),
        ("Filter=board:/x", "NAME of 1 to 10 of"),
        ("f=board:x", "is not an absolute path of the board"),
        ("f=./not-there", "there is no file ./not-there on this computer"),
        ("f=board:/x y", "has characters that a service file would change"),
        ("f=board:/$HOME/x", "has characters that a service file would change"),
    ],
)
def test_programs_that_cannot_be_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="--exec") as caught:
        board_programs([text])
    assert said in caught.value.message


def test_a_program_for_another_processor_is_refused_and_a_script_is_not(tmp_path: Path) -> None:
    head = bytearray(64)
    head[:5], head[18:20] = b"\x7fELF\2", (62).to_bytes(2, "little")
    (tmp_path / "elf").write_bytes(head)
    (tmp_path / "script").write_text("#!/bin/sh\n")
    elf, script = board_programs([f"a={tmp_path}/elf", f"b={tmp_path}/script"])
    check_machine([elf, script], target_named("x86-64"))
    with pytest.raises(UsageError, match=r"ELF machine 62\), the board is aarch64 \(183\)"):
        check_machine([script, elf], target_named("aarch64"))


# --- what is installed and removed ----------------------------------------------------------------


def test_what_was_installed_is_known_by_all_that_matters(tmp_path: Path) -> None:
    agent, program = tmp_path / "agent", tmp_path / "ab"
    agent.write_bytes(b"agent")
    program.write_bytes(b"program")
    programs = board_programs([f"f={program}"])
    plan = make_plan("p@p", "/dev/ttyS0", 115200, programs=programs)
    stamp = plan.stamp(agent)
    assert stamp[1:] == (f"f:{hashlib.sha256(b'program').hexdigest()}",)
    assert make_plan("q@q", "/dev/ttyS0", 115200, programs=programs).stamp(agent) == stamp
    there = programs_of_start(["--exec", programs[0].option])
    assert make_plan("p@p", "/dev/ttyS0", 115200, programs=there).stamp(agent) == stamp[:1]
    assert make_plan("p@p", "/dev/ttyS0", 9600, programs=programs).stamp(agent)[0] != stamp[0]
    agent.write_bytes(b"another")
    assert plan.stamp(agent)[0] != stamp[0]
    names = {path.name for path in write_folder(plan, agent, tmp_path / "out")}
    sdk = {"beside-hil_worker.py", "beside-hil_worker.h"}
    assert names == {*plan.files, "hil-agent", "installed", "program-f", *sdk}


def test_a_program_is_copied_with_the_sdk_and_the_files_that_it_reads(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    for name in ("agent", "worker.py", "model.onnx"):
        (tmp_path / name).write_text(name)
    (program,) = board_programs([f"onnx={tmp_path}/worker.py,file:{tmp_path}/model.onnx,--below,9"])
    assert program.option == (
        "onnx=/usr/local/lib/hil/onnx,/usr/local/lib/hil/model.onnx,--below,9"
    )
    plan = make_plan("p@p", "/dev/ttyS0", 115200, programs=(program,))
    folder = tmp_path / "out"
    write_folder(plan, agent, folder)
    assert (folder / "beside-model.onnx").read_text() == "model.onnx"
    sdk = sources_dir() / "port/linux/sdk/hil_worker.py"
    assert (folder / "beside-hil_worker.py").read_bytes() == sdk.read_bytes()
    assert {"beside-model.onnx", "beside-hil_worker.h"} <= set(plan.commands[1])
    before = plan.stamp(agent)
    (tmp_path / "model.onnx").write_text("another")
    assert plan.stamp(agent) != before
    with pytest.raises(UsageError, match="no file missing"):
        board_programs([f"onnx={tmp_path}/worker.py,file:missing"])


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ("console=tty1 root=x\n", "console=serial0,115200 console=tty1 root=x\n"),
        ("overlayroot=tmpfs console=tty1 root=x\n", None),
        (
            "console=serial0,115200 console=tty1 root=x\n",
            "console=serial0,115200 console=tty1 root=x\n",
        ),
    ],
    ids=["usual", "with-an-overlay-since", "put-back-by-hand"],
)
def test_the_console_gets_its_port_back_and_later_words_stay(
    tmp_path: Path, now: str, after: str | None
) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / "cmdline.txt").write_text(now)
    (boot / "cmdline.txt.hil").write_text("console=serial0,115200 console=tty1 root=x\n")
    script = make_removal("p@p").files["uninstall.sh"]
    subprocess.run(["sh", "-n"], input=script, text=True, check=True, timeout=20)
    part = script[script.index("for boot in") : script.index("systemctl daemon-reload")]
    part = part.replace("/boot/firmware /boot", str(boot))
    for _ in range(2):
        subprocess.run(["sh", "-eu"], input=part, text=True, check=True, timeout=20)
    assert (boot / "cmdline.txt").read_text() == (after or f"console=serial0,115200 {now}")
    assert not (boot / "cmdline.txt.hil").exists()


# --- the command line -----------------------------------------------------------------------------

TWO = """\
schema: 1
boards:
  - {name: left, port: /dev/x, ssh: pi@left}
  - {name: right, port: /dev/y}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "on which board?"),
        (("pi@pi", "--bench", "bench.yaml"), "exclude each other"),
        (("--bench", "bench.yaml"), "does not say how to reach right over ssh"),
        (("--bench", "bench.yaml", "--baud", "115200"), "--baud is for a single board"),
        (("pi@pi", "--use", "left"), "--use and --json are for --bench FILE"),
        (("pi@pi", "--uninstall", "--exec", "f=/x"), "removes programs and workloads, too"),
        (("--bench", "bench.yaml", "--use", "left", "--exec", "f"), "expected NAME=PATH"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_board_is_asked(
    hil: Hil, words: tuple[str, ...], said: str
) -> None:
    hil.write("bench.yaml", TWO)
    done = hil("board", "install", *words)
    assert done.code == 2 and said in done.err


@pytest.mark.parametrize("key", ["ssh: -oProxyCommand=x", "ssh: 'pi @x'", "agent_port: ttyAMA0"])
def test_a_bench_file_with_another_host_or_device_is_refused(hil: Hil, key: str) -> None:
    hil.write("bench.yaml", f"schema: 1\nboards: [{{name: left, port: /dev/x, {key}}}]\n")
    done = hil("check", "bench.yaml")
    assert done.code == 2 and "bench.yaml:2" in done.out + done.err


def test_a_board_that_is_not_reached_fails_and_says_so(hil: Hil, tmp_path: Path) -> None:
    hil.write("bench.yaml", TWO)
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text("#!/bin/sh\necho 'ssh: connect to host left: No route to host' >&2\nexit 255\n")
    ssh.chmod(0o755)
    env = {"PATH": f"{ssh.parent}:{clean_env()['PATH']}"}
    done = hil("board", "install", "--bench", "bench.yaml", "--use", "left", "--json", env=env)
    (board,) = done.json["boards"]
    assert (done.code, done.json["ok"], board["state"]) == (3, False, "failed")
    assert board["detail"].endswith("over ssh: ssh: connect to host left: No route to host")


# --- real sshds -----------------------------------------------------------------------------------

needs_sshd = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can")
BENCH = """\
schema: 1
boards:
  - {name: left, port: /dev/x, ssh: left, agent_port: /dev/ttyAMA0}
  - {name: right, port: /dev/y, ssh: right, agent_port: /dev/ttyAMA0, baud: 921600}
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static agent for this computer, which is what the boards are, too."""
    target = native()
    if target is None:
        pytest.skip("the agent does not run on this kind of computer")
    return build_agent(target, tmp_path_factory.mktemp("agent") / "hil-agent").path


@pytest.fixture
def env(tmp_path: Path, agent: Path) -> dict[str, str]:
    target = native()
    assert target is not None
    name = f"HIL_AGENT_{target.name.upper().replace('-', '_')}"
    return {name: str(agent), "PATH": f"{tmp_path}/bin:{clean_env()['PATH']}"}


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[dict[str, SshBoard]]:
    kind = subprocess.run(
        ["findmnt", "-no", "FSTYPE", "-T", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if kind in {"tmpfs", "overlay"}:
        pytest.skip(f"temporary files are on a {kind} here, as are those of an overlay")
    with ssh_boards(tmp_path, left="plain", right="plain", third="overlay") as made:
        yield made


def states(done: object) -> list[tuple[str, str, str, str]]:
    content = done.json  # type: ignore[attr-defined]
    return [(b["board"], b["state"], b["before"], b["after"]) for b in content["boards"]]


@pytest.mark.slow
@needs_sshd
def test_a_bench_is_installed_skipped_updated_and_cleared(
    hil: Hil, boards: dict[str, SshBoard], env: dict[str, str], agent: Path
) -> None:
    hil.write("bench.yaml", BENCH)
    command = ("board", "install", "--bench", "bench.yaml", "--json")
    planned = hil(*command, "--dry-run", env=env)
    assert states(planned)[0] == ("left", "would install", "", NEW)
    assert boards["left"].told == []

    done = hil(*command, env=env)
    assert done.code == 0, done.err
    assert states(done) == [("left", "installed", "", NEW), ("right", "installed", "", NEW)]
    for name, rate in (("left", "115200"), ("right", "921600")):
        board = boards[name]
        assert (board.local / "bin/hil-agent").read_bytes() == agent.read_bytes()
        unit = (board.root / "etc/systemd/system/hil-agent.service").read_text()
        assert f"--port /dev/ttyAMA0 --baud {rate}" in unit
        assert (board.root / "etc/udev/rules.d/99-hil-agent.rules").exists()
        assert board.told[-1] == "restart hil-agent.service"
        assert list((board.root / "tmp").iterdir()) == []

    count = len(boards["left"].told)
    again = hil(*command, env=env)
    assert states(again) == [("left", "up to date", NEW, NEW), ("right", "up to date", NEW, NEW)]
    assert len(boards["left"].told) == count

    (boards["right"].root / "run/hil-agent").unlink()  # its service has ended
    mended = hil(*command, env=env)
    assert [row[1] for row in states(mended)] == ["up to date", "updated"]

    table = hil("board", "install", "--bench", "bench.yaml", "--uninstall", env=env)
    rows = [line.split()[:4] for line in table.out.splitlines()[1:3]]
    assert table.code == 0
    assert rows == [["✔", name, name, "removed"] for name in ("left", "right")]
    left = boards["left"]
    assert not (left.local / "bin/hil-agent").exists()
    assert not (left.root / "etc/systemd/system/hil-agent.service").exists()
    assert "unmask serial-getty@ttyAMA0.service" in left.told
    gone = hil(*command, "--uninstall", env=env)
    assert [row[1] for row in states(gone)] == ["not installed"] * 2


@pytest.mark.slow
@needs_sshd
def test_programs_are_installed_and_kept_by_an_update(
    hil: Hil, boards: dict[str, SshBoard], env: dict[str, str]
) -> None:
    hil.write("bench.yaml", BENCH)
    hil.write("ab_filter", "#!/bin/sh\n")
    command = ("board", "install", "--bench", "bench.yaml", "--use", "left", "--json")
    programs = ("--exec", "filter=ab_filter,-v", "--exec", "net=board:/opt/net")
    done = hil(*command, *programs, env=env)
    assert done.code == 0, done.err
    left = boards["left"]
    assert (left.local / "lib/hil/filter").read_text() == "#!/bin/sh\n"
    assert hil(*command, *programs, env=env).json["boards"][0]["state"] == "up to date"
    assert hil(*command, env=env).json["boards"][0]["state"] == "up to date"
    hil.write("ab_filter", "#!/bin/sh\n# another\n")
    assert hil(*command, *programs, env=env).json["boards"][0]["state"] == "updated"
    assert "another" in (left.local / "lib/hil/filter").read_text()
    unit = (left.root / "etc/systemd/system/hil-agent.service").read_text()
    assert "--exec filter=/usr/local/lib/hil/filter,-v" in unit and "--exec net=/opt/net" in unit


@pytest.mark.slow
@needs_sshd
def test_one_board_that_fails_keeps_no_other_from_its_agent(
    hil: Hil, boards: dict[str, SshBoard], env: dict[str, str]
) -> None:
    third_entry = "  - {name: third, port: /dev/z, ssh: third, agent_port: /dev/ttyS0}\n"
    hil.write("bench.yaml", BENCH + third_entry)
    (boards["left"].root / "broken").touch()
    done = hil("board", "install", "--bench", "bench.yaml", "--json", env=env)
    left, right, third = done.json["boards"]
    assert (done.code, done.json["ok"]) == (3, False)
    assert left["state"] == "failed" and "failed with code 1" in left["detail"]
    assert right["state"] == "installed"
    assert third["state"] == "failed" and "is an overlay in memory" in third["detail"]
    (boards["left"].root / "broken").unlink()
    again = hil("board", "install", "--bench", "bench.yaml", "--json", "--use", "left", env=env)
    assert again.json["boards"][0]["state"] == "updated", "what was half done is done again"


@pytest.mark.slow
@needs_sshd
def test_bench_test_says_whether_roots_survive_power_cuts(
    hil: Hil, boards: dict[str, SshBoard], env: dict[str, str], agent: Path
) -> None:
    words = [str(agent), "--port", "pty", "--exit-with-parent"]
    agents = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        ports = [a.stdout.readline().split()[1] for a in agents if a.stdout]
        entries = [
            f"  - {{name: {name}, port: {port}, ssh: {host}}}\n"
            for name, port, host in zip("abc", ports, ("left", "third", "nobody"), strict=True)
        ]
        hil.write("bench.yaml", "schema: 1\nboards:\n" + "".join(entries))
        done = hil("bench", "test", "bench.yaml", "--json", env=env)
    finally:
        for each in agents:
            each.kill()
            each.communicate()
    content = done.json
    assert [b["root"] for b in content["boards"]] == ["writable", "overlay", "not known"]
    assert [note.partition(":")[0] for note in content["notes"]] == ["a", "c"]
    assert "a power cut may damage it" in content["notes"][0]
    assert "is not known: nobody is not reached over ssh" in content["notes"][1]
