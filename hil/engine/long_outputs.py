"""Long outputs: those that vote by their digest, and whose bytes are read from the boards when they
are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hil.kernel import digest64
from hil.redundancy.voting import Verdict
from hil.rig.node import DONE, Node, NodeResult
from hil.rig.resync import read_outputs
from hil.rig.rig import Rig

__all__ = ["with_all_outputs", "with_long_outputs"]


def with_long_outputs(
    rig: Rig, results: Mapping[str, NodeResult], verdict: Verdict, output_len: int
) -> dict[str, NodeResult]:
    """Return the results of a frame with the bytes of long outputs: that of each node that
    dissents, and the agreed one from the first node that has it. A board whose bytes do not have
    the digest that it voted with gives none. Not thread-safe: it uses the links of the rig."""
    agreeing, others = _holders(rig.nodes, results, verdict)
    out = dict(results)
    _fill(rig, out, others, output_len)
    for node in agreeing:  # one after the other, until one delivers
        if out[node.name].output or _fill(rig, out, [node], output_len):
            break
    return out


def with_all_outputs(
    rig: Rig, results: Mapping[str, NodeResult], output_len: int
) -> dict[str, NodeResult]:
    """Return the results of a frame with the long outputs of all nodes, for a voter by value. A
    board whose bytes do not have the digest that it voted with gives none. Not thread-safe: it uses
    the links of the rig."""
    out = dict(results)
    done = [n for n in rig.nodes if n.name in out and out[n.name].status == DONE]
    _fill(rig, out, [n for n in done if not out[n.name].output], output_len)
    return out


def _holders(
    nodes: Sequence[Node], results: Mapping[str, NodeResult], verdict: Verdict
) -> tuple[list[Node], list[Node]]:
    """Return the nodes that have the agreed output, and those that have another, without those
    whose bytes are there."""
    done = [n for n in nodes if n.name in results and results[n.name].status == DONE]
    agreeing = [n for n in done if results[n.name].output_digest == verdict.output]
    return agreeing, [n for n in done if n not in agreeing and not results[n.name].output]


def _fill(rig: Rig, results: dict[str, NodeResult], nodes: Sequence[Node], output_len: int) -> bool:
    """Read the outputs of nodes into their results; return whether there is one."""
    came = False
    for name, output in read_outputs(rig, nodes, output_len).items():
        if digest64(output) == results[name].output_digest:
            results[name] = results[name]._replace(output=output)
            came = True
    return came
