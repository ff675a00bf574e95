"""The file of a proof, from what the proof was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hil import __version__
from hil.campaign.proof_journal import node_journal
from hil.campaign.scheme_proof import NodeFaults
from hil.record.proof_file import NodeExperiments, write_proof
from hil.record.scheme_proof import SchemeProof

__all__ = ["write_proof_result"]


def write_proof_result(path: Path, proof: SchemeProof, found: Sequence[NodeFaults]) -> None:
    """Write the file of a proof, with its experiments, and remove their journals. Raises:
    RecordError."""
    write_proof(path, proof, __version__, map(_experiments, found))
    for faults in found:
        node_journal(path, faults.node).unlink(missing_ok=True)


def _experiments(faults: NodeFaults) -> NodeExperiments:
    kinds = [
        (k.outcome.name.lower(), k.failure, int(k.differs), k.fate.name.lower(), k.fate_step)
        for k in faults.kinds
    ]
    return NodeExperiments(faults.node, kinds, _classes(faults))


def _classes(faults: NodeFaults) -> Iterator[tuple[str, int, int, int, Sequence[int]]]:
    plan = faults.plan
    targets = [region.target.value for region in plan.regions]
    columns = (plan.region, plan.position, plan.byte, plan.weight, faults.numbers)
    for region, position, byte, weight, bits in zip(*(c.tolist() for c in columns), strict=True):
        yield targets[region], position, byte, weight, bits
