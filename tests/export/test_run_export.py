"""A run as files, read back by other programs: they say what the record says."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hil import api
from hil.cli.export import _RUN_TABLES
from hil.errors import SetupError
from hil.export import mcap_file
from hil.export.mcap_file import ALL_SCHEMAS
from hil.export.mcap_topics import FRAMES, TOPICS
from hil.export.parquet_file import write_parquet
from hil.export.run_files import run_file_table
from hil.export.table import Column, ColumnType, Table
from hil.record.reader import Reader
from hil.record.run_tables import RunTable
from hil.redundancy.voting import unpack
from tests.command_line import Hil

LAYOUT = Path(mcap_file.__file__).parent / "files" / "foxglove.json"


def count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


# --- tables -----------------------------------------------------------------------------------


def test_a_table_as_csv_has_what_the_database_has(
    hil: Hil, flown: Path, database: sqlite3.Connection
) -> None:
    done = hil("export", flown, "-o", "u.csv", "--table", "upsets", "--json")
    assert (done.code, done.json["rows"]) == (0, count(database, "upsets"))
    with (hil.cwd / "u.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    database.row_factory = sqlite3.Row
    for row, stored in zip(rows, database.execute("SELECT * FROM upsets"), strict=True):
        expected = {
            key: "" if value is None else value.hex() if isinstance(value, bytes) else str(value)
            for key, value in dict(stored).items()
        }
        assert row == expected


def test_every_table_of_a_run_becomes_rows_of_its_columns(flown: Path) -> None:
    run = api.open_run(flown)
    reader = Reader(flown)
    for name in RunTable:
        table, whole = run_file_table(reader, name), run.table(name)
        rows = list(table.rows)
        assert [column.name for column in table.columns] == list(whole.columns)
        assert len(rows) == whole.rows and {len(row) for row in rows} <= {len(whole.columns)}
    reader.close()


def test_frames_as_parquet_are_those_of_the_record(hil: Hil, flown: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    assert hil("export", flown, "-o", "f.parquet").code == 0
    rows = duckdb.sql(
        f"SELECT frame, verdict, correct, output_digest FROM '{hil.cwd / 'f.parquet'}'"
    ).fetchall()
    reader = Reader(flown)
    expected = [(v.frame, v.kind.word, v.correct, f"{v.output:016x}") for v in reader.verdicts()]
    reader.close()
    assert rows == expected


def test_an_empty_text_in_a_parquet_file_is_no_missing_value(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    columns = (Column("text", ColumnType.TEXT), Column("number", ColumnType.INTEGER))
    rows = [("", 1), (None, None), ('a,\n"b"', 2)]
    assert write_parquet(Table(columns, iter(rows)), tmp_path / "t.parquet") == 3
    assert duckdb.sql(f"SELECT * FROM '{tmp_path / 't.parquet'}'").fetchall() == rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "x.faults"), "FILE.csv or FILE.parquet or FILE.mcap or FILE.ccsds"),
        (("-o", "x.mcap", "--table", "frames"), "has all tables"),
        (("-o", "x.csv", "--table", "classes"), "there is no table `classes`"),
    ],
)
def test_what_a_run_is_not_exported_as_is_one_message(
    hil: Hil, flown: Path, words: tuple[str, ...], message: str
) -> None:
    done = hil("export", flown, *words)
    assert done.code == 2 and message in done.err
    assert not list(hil.cwd.iterdir())


# --- MCAP -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def messages(
    flown: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, int, dict[str, Any]]]:
    return read_mcap(flown, tmp_path_factory.mktemp("mcap") / "run.mcap")


def read_mcap(flown: Path, path: Path) -> list[tuple[str, int, dict[str, Any]]]:
    """Topic, time [ns] and content of all messages, as the package's own reader finds them."""
    reader_module = pytest.importorskip("mcap.reader")
    written = mcap_file.write_mcap(flown, path)
    found = []
    with path.open("rb") as file:
        reader = reader_module.make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary.statistics.message_count == written
        assert {schema.encoding for schema in summary.schemas.values()} == {"jsonschema"}
        validators = {
            number: jsonschema.validators.validator_for(schema)(schema)
            for number, schema in (
                (number, {**json.loads(schema.data), "additionalProperties": False})
                for number, schema in summary.schemas.items()
            )
        }
        for schema, channel, message in reader.iter_messages():
            content = json.loads(message.data)
            validators[schema.id].validate(content)
            found.append((channel.topic, message.log_time, content))
        written_at = [m.log_time for _, _, m in reader.iter_messages(log_time_order=False)]
        assert written_at == sorted(written_at), "a reader need not sort"
        metadata = {record.name: record.metadata for record in reader.iter_metadata()}
        attached = {record.name: json.loads(record.data) for record in reader.iter_attachments()}
    run = api.open_run(flown)
    with run.record() as record:
        assert metadata["hil.run"]["config_hash"] == record.meta["config_hash"]
    assert attached["result.json"]["run_digest"] == run.digest
    return found


def test_an_mcap_file_has_every_row_of_the_record(
    messages: list[tuple[str, int, dict[str, Any]]], flown: Path, database: sqlite3.Connection
) -> None:
    by_topic = Counter(topic for topic, _, _ in messages)
    assert by_topic[FRAMES] == api.open_run(flown).frames.rows
    for topic in TOPICS.values():
        assert by_topic[topic] == count(database, topic[1:]), topic
    events = sum(count(database, t) for t in ("upsets", "transitions", "repairs", "link_events"))
    assert by_topic["/events"] == events and by_topic["/location"] == count(database, "orbit")


def test_frames_in_an_mcap_file_have_the_ballots_of_the_record(
    messages: list[tuple[str, int, dict[str, Any]]], flown: Path
) -> None:
    frames = [(at, content) for topic, at, content in messages if topic == FRAMES]
    reader = Reader(flown)
    for (at, content), v in zip(frames, reader.verdicts(), strict=True):
        assert at - frames[0][0] == 1000 * reader.t_us(v.frame)
        assert (content["frame"], content["verdict"]) == (v.frame, v.kind.word)
        assert [int(node["state_digest"], 16) for node in content["nodes"]] == [
            ballot.state_digest for ballot in v.ballots
        ]
    reader.close()


def run_of(text: str, folder: Path) -> api.Run:
    return api.run(api.parse_scenario(text, file="exported.yaml"), out=folder)


def test_an_mcap_file_has_what_went_to_the_ground_and_what_was_dropped(tmp_path: Path) -> None:
    run = run_of(
        "schema: 1\nworkload: sha256\nframes: 200\nframe_ms: 1000\nseed: 3\n"
        "rig: {scheme: dmr, board: inproc}\nrecovery: {rollbacks: 0}\n"
        "offload: {isl: {rate_bit_s: 800, availability: 0.4, slot_s: 30}, memory_bytes: 3000,\n"
        "  results: {every: 1, priority: 5, max_age_s: 80}, telemetry: {every: 20, priority: 3}}\n",
        tmp_path / "run",
    )
    messages = read_mcap(run.folder, tmp_path / "run.mcap")
    of = {t: [m for topic, _, m in messages if topic == t] for t in ALL_SCHEMAS}
    metrics = run.result.metrics
    assert len(of["/offload"]) == metrics["offload.items"] > 0
    dropped = [m for m in of["/offload_events"] if m["dropped"]]
    assert len(dropped) == metrics["offload.dropped"] > 0
    assert sum(m["bytes"] for m in dropped) == metrics["offload.dropped_bytes"]
    down = [m for m in of["/offload_events"] if m["fate"] == "delivered"]
    assert sum(m["bytes"] for m in down) == metrics["offload.delivered_bytes"] > 0
    assert max(m["after_s"] for m in down if m["kind"] == "result") == pytest.approx(
        metrics["offload.latency_max_s"]
    )
    with closing(sqlite3.connect(run.folder / "run.db")) as db:
        contacts = db.execute("SELECT start_us, end_us, station FROM contacts").fetchall()
    inside = [m for m in of["/contacts"] if m["in_contact"]]
    assert [(m["start_us"], m["end_us"], m["station"]) for m in inside] == contacts
    lines = [
        m for m in of["/events"] if m["name"] == "offload_events" and "dropped" in m["message"]
    ]
    assert len(lines) == len(dropped)


def test_an_mcap_file_has_what_each_replica_of_the_voter_decided(tmp_path: Path) -> None:
    run = run_of(
        "schema: 1\nworkload: attitude\nframes: 20\nexpect: none\n"
        "rig: {scheme: 4mr, board: inproc, voter_per_node: true}\n"
        "recovery: {rollbacks: 0, window_frames: 1}\nupsets: {events: [\n"
        "  {frame: 8, node: d, target: link, noise: drop, to: [a]}]}\n",
        tmp_path / "run",
    )
    found = [m for t, _, m in read_mcap(run.folder, tmp_path / "run.mcap") if t == "/replicas"]
    with closing(sqlite3.connect(run.folder / "run.db")) as db:
        rows = db.execute("SELECT frame, node, verdict FROM replicas ORDER BY frame, node")
        stored = [(frame, "abcd"[node], unpack(verdict)) for frame, node, verdict in rows]
    assert [(m["frame"], m["node"]) for m in found] == [(f, n) for f, n, _ in stored]
    for message, (_, _, verdict) in zip(found, stored, strict=True):
        assert message["verdict"] == verdict.kind.word and message["agree"] == verdict.agree
    # Node a got nothing from d, all others did.
    at_8 = {m["node"]: m["nodes"][3]["status"] for m in found if m["frame"] == 8}
    assert at_8["a"] != "done" and {at_8[name] for name in "bcd" if name in at_8} == {"done"}


def paths_in(value: Any) -> list[str]:
    """All message paths of a layout."""
    if isinstance(value, dict):
        return [path for inner in value.values() for path in paths_in(inner)]
    if isinstance(value, list):
        return [path for inner in value for path in paths_in(inner)]
    return [value] if isinstance(value, str) and value.startswith("/") else []


def test_the_layout_shows_only_what_an_mcap_file_has() -> None:
    paths = paths_in(json.loads(LAYOUT.read_text(encoding="utf-8")))
    assert len(paths) > 10
    for path in paths:
        topic, *names = re.sub(r"{[^}]*}", "", path).split(".")  # without filters
        schema: Any = ALL_SCHEMAS[topic][1]
        for name in names:
            schema = schema["properties"][name.partition("[")[0]]
            schema = schema.get("items", schema)


def test_without_mcap_the_message_says_what_to_install(
    flown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcap.writer", None)
    with pytest.raises(SetupError, match="mcap, which is not installed") as refused:
        mcap_file.write_mcap(flown, tmp_path / "x.mcap")
    assert "pip install" in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_the_command_names_all_tables() -> None:
    assert set(_RUN_TABLES) == {table.value for table in RunTable}
