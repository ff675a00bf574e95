"""Doctor: whether this computer can run what it is asked to, found out by doing it.

Not a list of versions but positive controls: known faults are made on purpose, and must be seen for
what they are; without a fault nothing must be seen.
"""

# ruff: noqa: PLC0415  (imports in functions: what cannot be imported is a finding, too)

from __future__ import annotations

import contextlib
import grp
import os
import platform
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.errors import HilError
from hil.extras import install_command

if TYPE_CHECKING:
    from hil.record.reader import Reader

__all__ = ["Check", "examine", "possible"]

OK: Final = "ok"
WARN: Final = "warn"
MISSING: Final = "missing"

_DISK_WARN_MIB: Final = 1024
_REINSTALL: Final = "install this package again with pip, with a C compiler at hand"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `state`: ok, warn (it works, but) or missing.

    `found` is what was found, `means` what that means, `remedy` what to do (empty: nothing).
    `needed`: runs on software boards are impossible if it is missing.
    """

    name: str
    state: str
    found: str
    means: str
    remedy: str = ""
    needed: bool = True

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def possible(checks: list[Check]) -> bool:
    """Whether scenarios can be run on software boards here."""
    return all(c.state != MISSING for c in checks if c.needed)


def examine() -> Iterator[Check]:
    """All checks, each as soon as it is done. Raises nothing: what fails is a finding."""
    for name, means, check in (
        ("python", "hil runs at all", _python),
        ("kernel", "votes and digests are computed right", _kernel),
        ("agent", "software boards can be started", _agent),
        ("pty", "software boards are talked to like real ones", _pty),
        ("registers", "registers and memory of a worker can be hit, and read back", _registers),
        ("addresses", "the same upset hits the same place in every run", _addresses),
        ("faults, process", "known faults are seen for what they are", _faults_process),
        ("faults, inproc", "known faults are seen for what they are", _faults_inproc),
        ("no faults", "without upsets nothing is seen", _no_faults),
        ("emulated boards", "an emulated Raspberry Pi can be booted", _emulated_boards),
        ("agents", "agents for real boards can be compiled", _compilers),
        ("serial ports", "real boards can be reached", _serial_ports),
        ("disk", "there is room for records", _disk),
        ("cores", "nodes compute side by side", _cores),
    ):
        yield _checked(name, means, check)


@dataclass(frozen=True, slots=True)
class _Finding:
    state: str
    found: str
    remedy: str = ""
    needed: bool = True


def _checked(name: str, means: str, check: Callable[[], _Finding]) -> Check:
    try:
        finding = check()
    except HilError as error:
        finding = _Finding(MISSING, error.message, error.remedy or "")
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
        finding = _Finding(MISSING, f"{type(error).__name__}: {error}", _REINSTALL)
    return Check(name, finding.state, finding.found, means, finding.remedy, finding.needed)


def _good(found: str) -> _Finding:
    return _Finding(OK, found)


# --- the package ----------------------------------------------------------------------------------


def _python() -> _Finding:
    return _good(f"{platform.python_implementation()} {platform.python_version()}")


def _kernel() -> _Finding:
    """Published values: RFC 3720 B.4 for CRC-32C, xxHash's own for XXH64, the known answers of
    Random123 (Salmon et al., 2011) for Philox4x64-10."""
    from hil._kernel import ffi, lib
    from hil.kernel import digest64

    text = b"123456789"
    block = ffi.new("uint64_t[4]")
    lib.philox_block([0] * 4, [0] * 2, block)
    known: tuple[tuple[str, int, int], ...] = (
        ("CRC-32C", int(lib.hil_crc32c(0, text, len(text))), 0xE3069283),
        ("XXH64 of nothing", digest64(b""), 0xEF46DB3751D8E999),
        ("XXH64", digest64(text), 0x8CB841DB40E6AE83),
        ("Philox", int(block[0]), 0x16554D9ECA36314C),
        ("Philox", int(block[3]), 0x7E68B68AEC7BA23B),
    )
    wrong = [name for name, got, want in known if got != want]
    if wrong:
        return _Finding(MISSING, f"wrong results: {', '.join(wrong)}", _REINSTALL)
    return _good(f"{len(known)} published values are met")


# --- software boards ------------------------------------------------------------------------------


def _agent() -> _Finding:
    from hil.kernel import WIRE_VERSION
    from hil.rig.backends.process import find_agent

    agent = find_agent()
    with _board() as (rig, node):
        hello = node.hello
        assert hello is not None
        workloads = _missing_workloads(rig, node)
    if workloads:
        return _Finding(MISSING, f"{agent} lacks the workloads {', '.join(workloads)}", _REINSTALL)
    return _good(f"{agent}, version {hello.version}, wire version {WIRE_VERSION}, {hello.arch}")


def _missing_workloads(rig: Any, node: Any) -> list[str]:
    from hil.errors import NodeError, TraceForbidden
    from hil.kernel import workloads

    missing: list[str] = []
    for workload in workloads():
        rig.workload = workload.name
        try:
            rig.load(node)
        except TraceForbidden:  # then it can load none, and is as it should be
            raise
        except NodeError:
            missing.append(workload.name)
    return missing


@contextlib.contextmanager
def _board() -> Iterator[tuple[Any, Any]]:
    """A rig of one process board, connected."""
    from hil.rig.backends.process import ProcessBoard
    from hil.rig.calls import Timing
    from hil.rig.node import Node
    from hil.rig.rig import Rig

    node = Node("a", 0, ProcessBoard("a"))
    rig = Rig([node], "infer", 1, Timing())
    try:
        rig.open()
        yield rig, node
    finally:
        rig.close()


def _pty() -> _Finding:
    try:
        one, other = os.openpty()
    except OSError as error:
        return _Finding(
            MISSING, f"no pty: {error.strerror}", "mount devpts at /dev/pts (in a container: -t)"
        )
    name = os.ttyname(other)
    os.close(one)
    os.close(other)
    return _good(f"{name}")


def _registers() -> _Finding:
    from hil.wire.messages import Arm

    with _board() as (rig, node):
        hello = node.hello
        if hello is None or "gpr" not in hello.targets:
            return _Finding(
                MISSING, "the agent offers no register upsets", _ptrace_remedy(), needed=False
            )
        rig.load(node)
        refused = rig.arm(node, Arm(1, 0, "gpr", "bit", tick=1, steps=3, width=1, bit=70))
        from hil.kernel import Golden

        golden = Golden("infer", 1)
        golden.step()
        rig.step([node], 0, golden.input)
        report = rig.report(node, 1)
    if refused is not None:
        return _Finding(MISSING, f"refused: {refused}", _ptrace_remedy(), needed=False)
    if report is None or report.state != "injected" or not report.verified:
        state = "no report" if report is None else report.state
        return _Finding(MISSING, f"not injected: {state}", _ptrace_remedy(), needed=False)
    before, after = report.before.hex(), report.after.hex()
    return _good(f"ptrace works: a register was {before}, and then {after}")


def _ptrace_remedy() -> str:
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    with contextlib.suppress(OSError):
        if scope.read_text().strip() == "3":
            return "kernel.yama.ptrace_scope is 3: lower it and restart; or use --boards inproc"
    return "allow ptrace (in a container: --cap-add=SYS_PTRACE), or use --boards inproc"


def _addresses() -> _Finding:
    from hil.rig.addresses import Addresses, addresses_of

    with _board() as (_, node):
        try:
            found = addresses_of(node.board.pid)
        except (OSError, ValueError) as error:
            return _Finding(WARN, f"cannot be told: {error}", needed=False)
    if found is Addresses.LINKED:
        return _good("the agent's code has fixed addresses and uses no shared library")
    if found.fixed:
        return _good("address randomisation is off in workers")
    return _Finding(
        WARN,
        "addresses of workers are random: register, stack and code upsets may differ between runs",
        "install the static C library (libc6-dev, glibc-static) and hil again, or allow "
        "personality(2) (in a container: --security-opt seccomp=unconfined)",
        needed=False,
    )


# --- positive controls ----------------------------------------------------------------------------

_CONTROL: Final = """
schema: 1
workload: infer
frames: 60
rig: {{scheme: tmr, board: {board}}}
timeouts: {{cpu_floor_ms: 20}}
upsets:
  events:
    - {{frame: 10, node: a, target: output, tick: {ticks}, bit: 3}}
    - {{frame: 20, node: b, target: cpu, sefi: crash, tick: 1}}
    - {{frame: 30, node: c, target: cpu, sefi: hang, tick: 1}}
"""
_QUIET: Final = """
schema: 1
workload: sha256
frames: 60
rig: {{scheme: tmr, board: {board}}}
"""
_EXPECTED: Final = {"output": "sdc", "cpu crash": "crash", "cpu hang": "hang"}


def _faults_process() -> _Finding:
    return _faults("process")


def _faults_inproc() -> _Finding:
    return _faults("inproc")


def _faults(board: str) -> _Finding:
    from hil.kernel import workload
    from hil.record.row_counts import count_rows, wrong_outputs
    from hil.record.span_rows import all_upsets

    seen: dict[str, str] = {}
    with _controlled(_CONTROL, board, workload("infer").ticks) as reader:
        for upset in all_upsets(reader):
            name = f"cpu {upset.kind}" if upset.target == "cpu" else upset.target
            good = upset.state == "injected" and upset.verified
            seen[name] = upset.effect if good else upset.state
            if good and upset.outcome not in ("corrected", "recovered"):
                seen[name] = f"{upset.effect}, but {upset.outcome or 'no outcome'}"
        unexplained = count_rows(reader, "anomalies")
        delivered = wrong_outputs(reader)
    wrong = [
        f"{name}: {seen.get(name, 'not seen')}, expected {want}"
        for name, want in _EXPECTED.items()
        if seen.get(name) != want
    ]
    if unexplained:
        wrong.append(f"{unexplained} anomalies without a cause")
    if delivered:
        wrong.append(f"{delivered} wrong outputs delivered")
    if wrong:
        return _Finding(MISSING, "; ".join(wrong), "please report this")
    return _good("a wrong output, a crash and a hang: seen, outvoted, healed")


def _no_faults() -> _Finding:
    from hil.record.row_counts import count_rows, frames_without_unanimity

    wrong: list[str] = []
    for board in ("process", "inproc"):
        with _controlled(_QUIET, board, 0) as reader:
            for table in ("upsets", "anomalies", "transitions", "repairs"):
                count = count_rows(reader, table)
                if count:
                    wrong.append(f"{count} {table} on {board} boards")
            if frames_without_unanimity(reader):
                wrong.append(f"frames without agreement on {board} boards")
    if wrong:
        return _Finding(MISSING, "; ".join(wrong), "please report this: the rig itself is at fault")
    return _good("60 frames each on process and inproc boards, all unanimous")


@contextlib.contextmanager
def _controlled(text: str, board: str, ticks: int) -> Iterator[Reader]:
    """Run a tiny scenario in a folder that vanishes; its record."""
    from hil.engine.loop import Loop
    from hil.record.reader import Reader
    from hil.scenario import parse_scenario

    scenario = parse_scenario(text.format(board=board, ticks=ticks), file="<hil doctor>")
    with tempfile.TemporaryDirectory(prefix="hil-doctor-") as folder:
        Loop(scenario, Path(folder)).run()
        reader = Reader(Path(folder))
        try:
            yield reader
        finally:
            reader.close()


# --- other boards ---------------------------------------------------------------------------------


def _emulated_boards() -> _Finding:
    """All that can be told without booting one, which takes seconds."""
    from hil.board_types.agent_build import cached_agent_is_there, find_compiler, target_named
    from hil.rig.emulated.fetch import boot_files, have_boot_files
    from hil.rig.emulated.machine import qemu_version

    try:
        version = qemu_version()
        target = target_named("aarch64")
        agent = (
            "agent there"
            if cached_agent_is_there(target)
            else f"agent to be compiled by {find_compiler(target).version}"
        )
        if not have_boot_files():
            return _Finding(
                WARN,
                f"{version}; {agent}; no kernel yet",
                "the first run fetches it with apt (about 120 MB); or set HIL_EMULATED_KERNEL",
                needed=False,
            )
        kernel = boot_files().version
    except HilError as error:
        return _Finding(WARN, error.message, error.remedy or "", needed=False)
    return _Finding(OK, f"{version}; {kernel}; {agent}", needed=False)


def _compilers() -> _Finding:
    from hil.board_types.agent_build import TARGETS, find_compiler

    found: list[str] = []
    missing: list[str] = []
    for target in TARGETS:
        try:
            find_compiler(target)
            found.append(target.name)
        except HilError:
            missing.append(target.name)
    told = f"for {', '.join(found) or 'no board'}" + (
        f"; not for {', '.join(missing)}" if missing else ""
    )
    if "aarch64" in found:
        return _Finding(OK, told, needed=False)
    return _Finding(WARN, told, install_command("cross"), needed=False)


# --- this computer --------------------------------------------------------------------------------


def _serial_ports() -> _Finding:
    from serial.tools import list_ports

    ports = sorted(p.device for p in list_ports.comports() if p.hwid != "n/a")
    if not ports:
        return _Finding(OK, "none: software boards only", needed=False)
    closed = [p for p in ports if not os.access(p, os.R_OK | os.W_OK)]
    if not closed:
        return _Finding(OK, ", ".join(ports), needed=False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    group = _group_of(closed[0])
    mode = stat.filemode(os.stat(closed[0]).st_mode)
    return _Finding(
        WARN,
        f"no permission for {', '.join(closed)} (group {group}, {mode})",
        f"sudo usermod -aG {group} {user}, then log in again",
        needed=False,
    )


def _group_of(port: str) -> str:
    try:
        return grp.getgrgid(os.stat(port).st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"


def _disk() -> _Finding:
    here = Path("runs") if Path("runs").is_dir() else Path()
    where = here.resolve()
    if not os.access(where, os.W_OK):
        return _Finding(
            WARN, f"{where} is not writable", "go to another folder, or use --out", needed=False
        )
    free_mib = shutil.disk_usage(where).free // 2**20
    if free_mib < _DISK_WARN_MIB:
        return _Finding(
            WARN, f"{free_mib} MiB free at {where}", "free some; a soak test needs GiB", False
        )
    return _good(f"{free_mib / 1024:.0f} GiB free at {where}")


def _cores() -> _Finding:
    count = len(os.sched_getaffinity(0))
    if count < 2:
        return _Finding(
            WARN, "1 core: nodes take turns, frames are slower", "give this job more cores", False
        )
    return _good(f"{count} cores")
