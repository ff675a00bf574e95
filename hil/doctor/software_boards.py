"""Checks of software boards: their agent, its workloads, and the needs of upsets."""

# ruff: noqa: PLC0415  (imports in functions: a failed import is a finding as well)

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hil.check_state import CheckState
from hil.doctor.findings import REINSTALL, Finding, good
from hil.scenario.words import UpsetTarget
from hil.wire.messages import UpsetState

if TYPE_CHECKING:
    from hil.rig.backends.process import ProcessBoard
    from hil.rig.node import Node
    from hil.rig.rig import Rig

__all__ = ["addresses_check", "agent_check", "pty_check", "registers_check"]


def agent_check() -> Finding:
    """Check that an agent starts and has every workload."""
    from hil.kernel import WIRE_VERSION
    from hil.rig.backends.process import find_agent

    agent = find_agent()
    with _connected_board() as (rig, node, _):
        hello = node.hello
        assert hello is not None
        workloads = _missing_workloads(rig, node)
    if workloads:
        text = f"{agent} lacks the workloads {', '.join(workloads)}"
        return Finding(CheckState.MISSING, text, REINSTALL)
    return good(f"{agent}, version {hello.version}, wire version {WIRE_VERSION}, {hello.arch}")


def _missing_workloads(rig: Rig, node: Node) -> list[str]:
    """Return the names of the kernel's workloads that the agent cannot load."""
    from hil.errors import NodeError, TraceForbidden
    from hil.kernel import workloads

    missing: list[str] = []
    for workload in workloads():
        rig.setup.workload = workload.name
        try:
            rig.load(node)
        except TraceForbidden:  # it can load no workload: that is another finding
            raise
        except NodeError:
            missing.append(workload.name)
    return missing


@contextlib.contextmanager
def _connected_board() -> Iterator[tuple[Rig, Node, ProcessBoard]]:
    """Open a rig of one process board; close it afterwards."""
    from hil.rig.backends.process import ProcessBoard
    from hil.rig.calls import Timing
    from hil.rig.node import Node
    from hil.rig.rig import Rig

    board = ProcessBoard("a")
    node = Node("a", 0, board)
    rig = Rig([node], "infer", 1, Timing())
    try:
        rig.open()
        yield rig, node, board
    finally:
        rig.close()


def pty_check() -> Finding:
    """Check that pseudo-terminals can be opened."""
    try:
        one, other = os.openpty()
    except OSError as error:
        return Finding(
            CheckState.MISSING,
            f"no pty: {error.strerror}",
            "mount devpts at /dev/pts (in a container: -t)",
        )
    name = os.ttyname(other)
    os.close(one)
    os.close(other)
    return good(f"{name}")


def registers_check() -> Finding:
    """Check that a bit of a register can be flipped and read back."""
    from hil.wire.messages import Arm

    with _connected_board() as (rig, node, _):
        hello = node.hello
        if hello is None or UpsetTarget.GPR not in hello.targets:
            return Finding(
                CheckState.MISSING,
                "the agent offers no register upsets",
                _ptrace_remedy(),
                needed=False,
            )
        rig.load(node)
        refused = rig.arm(node, Arm(1, 0, "gpr", "bit", tick=1, steps=3, width=1, bit=70))
        from hil.kernel import Golden

        golden = Golden("infer", 1)
        golden.step()
        rig.step([node], 0, golden.input)
        report = rig.report(node, 1)
    if refused is not None:
        return Finding(CheckState.MISSING, f"refused: {refused}", _ptrace_remedy(), needed=False)
    if report is None or report.state is not UpsetState.INJECTED or not report.verified:
        state = "no report" if report is None else report.state
        return Finding(CheckState.MISSING, f"not injected: {state}", _ptrace_remedy(), needed=False)
    before, after = report.before.hex(), report.after.hex()
    return good(f"ptrace works: a register was {before}, and then {after}")


def _ptrace_remedy() -> str:
    """Return how to allow the agent to trace its workers."""
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    with contextlib.suppress(OSError):
        if scope.read_text().strip() == "3":
            return "kernel.yama.ptrace_scope is 3: lower it and restart; or use --boards inproc"
    return "allow ptrace (in a container: --cap-add=SYS_PTRACE), or use --boards inproc"


def addresses_check() -> Finding:
    """Check that addresses in workers repeat from run to run."""
    from hil.rig.addresses import Addresses, addresses_of

    with _connected_board() as (_, _, board):
        assert board.pid is not None
        try:
            addresses = addresses_of(board.pid)
        except (OSError, ValueError) as error:
            return Finding(CheckState.WARN, f"unknown: {error}", needed=False)
    if addresses is Addresses.LINKED:
        return good("the agent's code has fixed addresses and uses no shared library")
    if addresses.fixed:
        return good("address randomisation is off in workers")
    return Finding(
        CheckState.WARN,
        "addresses of workers are random: register, stack and code upsets may differ between runs",
        "install the static C library (libc6-dev, glibc-static) and reinstall hil, or allow "
        "personality(2) (in a container: --security-opt seccomp=unconfined)",
        needed=False,
    )
