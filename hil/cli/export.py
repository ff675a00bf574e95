"""`hil export`: runs and results as files for other programs."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the record)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, say
from hil.errors import UsageError
from hil.exit_codes import Exit

__all__ = ["HELP", "export"]

_CAMPAIGN_TABLES: Final = ("experiments", "classes", "targets", "frames", "instructions")
_RUN_TABLES: Final = (
    *("frames", "ballots", "upsets", "transitions", "repairs", "anomalies", "slips", "health"),
    *("power", "link_counts", "link_events", "orbit", "plant", "plant_nodes", "skips", "limits"),
    *("commands", "notes", "nodes", "contacts", "offload", "offload_events"),
    *("replies", "replicas", "damage", "links", "clocks"),
)
_TABLES: Final = (".csv", ".parquet")
_OF_CAMPAIGNS: Final = (*_TABLES, ".faults")
_OF_RUNS: Final = (*_TABLES, ".mcap", ".ccsds")

HELP: Final = (
    "Write a run or a campaign's result as a file for other programs.\n\n"
    "A run, finished or going on: one table of it as CSV or Parquet, all of it as MCAP (Foxglove), "
    "or as CCSDS space packets. "
    f"Tables: {', '.join(_RUN_TABLES)}.\n\n"
    "A campaign: a table as CSV or Parquet, or the faults of a sampled one as a list for "
    "`hil campaign --faults FILE`. "
    f"Tables: {', '.join(_CAMPAIGN_TABLES)}. An experiment of an exact campaign stands for as many "
    "faults as its `weight` says; `targets` has those, too, that are known without an experiment. "
    "Samples stand for all faults of their target together."
)


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|RESULT",
            help="Folder of a run, or result of `hil campaign`.",
            autocompletion=completion.runs_or_results,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FILE", help="FILE.csv, .parquet, .mcap, .ccsds or .faults."
        ),
    ],
    table: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The table, for .csv and .parquet; default: experiments, of a run frames.",
            autocompletion=completion.tables,
        ),
    ] = "",
    as_json: Json = False,
) -> int:
    """Write a run or a result as a file (see `HELP`)."""
    is_run = source.is_dir() or source.name == "run.db"
    known = _OF_RUNS if is_run else _OF_CAMPAIGNS
    if out.suffix not in known:
        what = "a run" if is_run else "a campaign"
        files = " or ".join(f"FILE{suffix}" for suffix in known)
        raise UsageError(f"--out {out}: {what} is exported as {files}")
    tables = _RUN_TABLES if is_run else _CAMPAIGN_TABLES
    if table and out.suffix not in _TABLES:
        raise UsageError(f"--table {table}: FILE{out.suffix} has all tables", remedy="leave it out")
    if table and table not in tables:
        raise UsageError(f"there is no table `{table}`", remedy=f"tables: {', '.join(tables)}")
    if out.exists():
        raise UsageError(f"{out} exists already", remedy="name another file, or delete it")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}", remedy="make it first")
    table, rows, unit = (_run if is_run else _campaign)(source, out, table)
    if as_json:
        kind = "run" if is_run else "result"
        answer({kind: str(source), "file": str(out), "table": table, "rows": rows})
    else:
        say(f"written: {out}, {rows:,} {unit}")
    return Exit.PASS


def _run(source: Path, out: Path, table: str) -> tuple[str, int, str]:
    """Write a run; return what was written, how much, and of what."""
    from hil.cli.record import opened

    if out.suffix == ".mcap":
        from hil.export.mcap_file import write_mcap

        return "mcap", write_mcap(_folder(source), out), "messages"
    if out.suffix == ".ccsds":
        from hil.export.ccsds_stream import write_packets

        return "ccsds", write_packets(_folder(source), out), "packets"
    from hil.export.csv_file import write_csv
    from hil.export.parquet_file import write_parquet
    from hil.export.run_files import run_file_table
    from hil.record.run_tables import RunTable

    chosen = RunTable(table or RunTable.FRAMES)
    write = write_csv if out.suffix == ".csv" else write_parquet
    with opened(source) as reader:
        return chosen.value, write(run_file_table(reader, chosen), out), "rows"


def _folder(source: Path) -> Path:
    from hil.cli.record import must_be_run

    must_be_run(source)
    return source


def _campaign(source: Path, out: Path, table: str) -> tuple[str, int, str]:
    """Write a campaign's result; return what was written, how much, and of what."""
    from hil.export.campaign_tables import CampaignTable, campaign_table_of
    from hil.export.csv_file import write_csv
    from hil.export.fault_list_file import write_fault_list
    from hil.export.parquet_file import write_parquet
    from hil.record.campaign_file import CampaignFile

    with CampaignFile(source) as file:
        if out.suffix not in _TABLES:
            return "faults", write_fault_list(file, out), "rows"
        chosen = CampaignTable(table or CampaignTable.EXPERIMENTS)
        write = write_csv if out.suffix == ".csv" else write_parquet
        return chosen.value, write(campaign_table_of(file, chosen), out), "rows"
