"""The recording of a golden run: boards compute all frames of a run before it, without faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.errors import ConfigError, Problem, SetupError
from hil.kernel import Workload, digest64
from hil.rig.node import DONE, Node, NodeResult
from hil.rig.program import has_long_output
from hil.rig.recorded_run import RECORDED_MAX, GoldenResults
from hil.rig.resync import read_output, read_state
from hil.rig.rig import Rig
from hil.scenario.load import UNPLACED

__all__ = ["record_run"]

_REPORT_FRAMES: Final = 50


def record_run(rig: Rig, frames: int, report: Callable[[int], None]) -> GoldenResults:
    """Let all nodes of an open rig compute `frames` frames of its program, and return the results.
    `report` gets the number of frames done, now and then.

    Raises: SetupError if a node fails, or two differ, because no vote could then be trusted;
    ConfigError if the results are too many to be kept, or the inputs do not fit; LinkTimeout,
    NodeError."""
    setup = rig.setup
    digests = {node.name: rig.load(node) for node in rig.nodes}
    workload = setup.loaded
    assert workload is not None
    setup.long_outputs = has_long_output(workload)
    _check_sizes(workload, frames, setup.program.mismatch(workload.input_len, setup.program.frames))
    _must_agree(digests, "the initial state")
    first = rig.nodes[0]
    initial = _checked(first, read_state(rig, first, workload.state_len), digests[first.name])
    states, outputs = bytearray(), bytearray()
    for frame in range(frames):
        given = setup.program.input_of(setup.seed, frame, workload.input_len)
        results = rig.step(rig.nodes, frame, given)
        for node in rig.nodes:
            _must_be_done(rig, node, results[node.name], frame)
        _must_agree({n: r.output_digest for n, r in results.items()}, f"frame {frame}")
        _must_agree({n: r.state_digest for n, r in results.items()}, f"the state after {frame}")
        result = results[first.name]
        state = read_state(rig, first, workload.state_len)
        output = result.output or read_output(rig, first, workload.output_len)
        if frame % _REPORT_FRAMES == 0:
            report(frame)
        states += _checked(first, state, result.state_digest)
        outputs += _checked(first, output, result.output_digest)
    return GoldenResults(workload, setup.seed, initial, bytes(states), bytes(outputs))


def _check_sizes(workload: Workload, frames: int, mismatch: str) -> None:
    size = frames * (workload.state_len + workload.output_len)
    if size > RECORDED_MAX:
        mismatch = (
            f"its results are {size >> 20} MiB, {workload.state_len} bytes of state and "
            f"{workload.output_len} of output for each of {frames} frames; expected at most "
            f"{RECORDED_MAX >> 20} MiB"
        )
    if mismatch:
        path = "$.exec.golden" if size > RECORDED_MAX else "$.exec.input"
        raise ConfigError([Problem(UNPLACED, 0, 0, path, mismatch)])


def _must_be_done(rig: Rig, node: Node, result: NodeResult, frame: int) -> None:
    if result.status != DONE:
        why = rig.setup.why_failed(node, result.reason) or f"status {result.status}"
        raise SetupError(
            f"node {node.name} failed in frame {frame} of the golden run that was to be recorded: "
            f"{why}",
            remedy="csrc/port/linux/EXEC.md says what such a program does",
        )


def _must_agree(digests: dict[str, int], what: str) -> None:
    (first, right), *others = digests.items()
    for name, digest in others:
        if digest != right:
            raise SetupError(
                f"nodes {first} and {name} compute {what} differently, without a fault "
                f"({right:016x} and {digest:016x}): their results could never win a vote",
                remedy="csrc/port/linux/EXEC.md, rule 3: a program is bit-identical on every "
                "board; floats seldom are on unlike processors",
            )


def _checked(node: Node, data: bytes, digest: int) -> bytes:
    """Return bytes that were read from a node. Raises: SetupError if they do not have the digest
    that the node voted with."""
    if digest64(data) != digest:
        raise SetupError(
            f"node {node.name} sends bytes that do not have their digest, without a fault",
            remedy="check the board's memory, or build hil-agent from this very release",
        )
    return data
