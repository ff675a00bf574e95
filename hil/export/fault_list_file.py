"""The faults of a sampled campaign as a list, which `hil campaign --faults FILE` carries
out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hil.errors import UsageError
from hil.export.csv_file import complete_file
from hil.record.campaign_file import CampaignFile
from hil.record.fault_lines import FaultLines, FaultValues

__all__ = ["fault_lines_of", "write_fault_list"]


def fault_lines_of(file: CampaignFile) -> Iterator[str]:
    """Yield the lines of the list of a result file's faults, each with its end. Raises: UsageError
    if it is of an exact campaign; RecordError."""
    meta, sampling = file.meta, file.meta.sampling
    if sampling is None:
        raise UsageError(
            f"{file.path} is an exact campaign: it has all faults, and no list of them",
            remedy="`hil export` has its experiments as .csv or .parquet",
        )
    targets = {region.number: region.target for region in file.regions()}

    def faults() -> Iterator[FaultValues]:
        for row in file.samples():
            yield row.number, row.frame, targets[row.region], row.byte, row.bit, row.moment

    head = FaultLines(
        meta.workload, meta.seed, sampling.frames, meta.targets, sampling.moment, meta.path
    )
    yield from head.lines(faults())


def write_fault_list(file: CampaignFile, out: Path) -> int:
    """Write the list to a new file: all of it, or none; return how many faults it has. Raises:
    UsageError, RecordError, SetupError if it cannot be written."""
    with complete_file(out) as draft, draft.open("w", encoding="utf-8") as written:
        written.writelines(fault_lines_of(file))
    return file.sample_count()
