"""`hil export`: results as tables for other programs."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the record)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hil.cli.options import Json
from hil.cli.output import answer, say
from hil.errors import UsageError
from hil.exit_codes import Exit

__all__ = ["HELP", "export"]

_TABLES: Final = ("experiments", "classes", "targets", "frames", "instructions")
_LIST: Final = ".faults"

HELP: Final = (
    "Write a table of a campaign's result as a CSV or Parquet file, or the faults of a sampled one "
    "as a list for `hil campaign --faults FILE`.\n\n"
    f"Tables: {', '.join(_TABLES)}. An experiment of an exact campaign stands for as many faults "
    "as its `weight` says; `targets` has those, too, that are known without an experiment. Samples "
    "stand for all faults of their target together."
)


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Of `hil campaign`.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="FILE.csv, .parquet or .faults.")
    ],
    table: Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(_TABLES)}.")] = _TABLES[0],
    as_json: Json = False,
) -> int:
    """Write a table of a result (see `HELP`)."""
    from hil.export.campaign_tables import CampaignTable, campaign_table_of
    from hil.export.csv_file import write_csv
    from hil.export.fault_list_file import write_fault_list
    from hil.export.parquet_file import write_parquet
    from hil.record.campaign_file import CampaignFile

    writers = {".csv": write_csv, ".parquet": write_parquet}
    write = writers.get(out.suffix)
    if write is None and out.suffix != _LIST:
        raise UsageError(
            f"--out {out}: a table is FILE.csv or FILE.parquet, a list of faults FILE.faults"
        )
    if table not in _TABLES:
        raise UsageError(f"there is no table `{table}`", remedy=f"tables: {', '.join(_TABLES)}")
    if out.exists():
        raise UsageError(f"{out} exists already", remedy="name another file, or delete it")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}", remedy="make it first")
    with CampaignFile(result) as file:
        if write is None:
            table, rows = "faults", write_fault_list(file, out)
        else:
            rows = write(campaign_table_of(file, CampaignTable(table)), out)
    if as_json:
        answer({"result": str(result), "file": str(out), "table": table, "rows": rows})
    else:
        say(f"written: {out}, {rows:,} rows")
    return Exit.PASS
