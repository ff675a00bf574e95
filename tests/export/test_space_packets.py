"""The space packets of a run, decoded with the shipped definitions by an independent reader."""

from __future__ import annotations

import io
import json
import math
import sqlite3
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hil import api
from hil.errors import SetupError
from hil.export import ccsds_stream
from hil.export.ccsds_definitions import openc3_text, xtce_document
from hil.export.ccsds_packets import PACKETS, TIME_FIELDS
from hil.export.event_lines import EventLevel
from hil.record.live import LiveRecord
from hil.record.row_values import RecordedPlant
from hil.record.run_follower import RunFollower

Decoded = dict[str, Any]


@pytest.fixture(scope="module")
def stream(flown: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("spacepackets")
    path = tmp_path_factory.mktemp("ccsds") / "run.ccsds"
    ccsds_stream.write_packets(flown, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def decoded(stream: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[Decoded]:
    """All packets as space_packet_parser decodes them with the XTCE document."""
    parser = pytest.importorskip("space_packet_parser")
    path = tmp_path_factory.mktemp("xtce") / "hil.xtce.xml"
    path.write_bytes(xtce_document())
    definition = parser.load_xtce(path)
    return [
        dict(definition.parse_bytes(packet))
        for packet in parser.ccsds_generator(io.BytesIO(stream))
    ]


def of_kind(decoded: list[Decoded], name: str) -> list[Decoded]:
    """The packets of a kind, without the name of the kind before each field."""
    prefix = f"{name.upper()}_"
    return [
        {key.removeprefix(prefix).lower(): value for key, value in packet.items()}
        for packet in decoded
        if f"{prefix}T_US" in packet
    ]


def test_frames_and_ballots_are_those_of_the_record(decoded: list[Decoded], flown: Path) -> None:
    ballots = {(b["frame"], b["node"]): b for b in of_kind(decoded, "ballot")}
    assert ballots
    with api.open_run(flown).record() as reader:
        verdicts = [(reader.t_us(v.frame), v) for v in reader.verdicts()]
    for got, (t_us, v) in zip(of_kind(decoded, "frame"), verdicts, strict=True):
        assert (got["frame"], got["t_us"]) == (v.frame, t_us)
        assert (got["verdict"], got["flags"]) == (v.kind.word, v.flags)
        for node, ballot in enumerate(v.ballots):
            other = ballots.get((v.frame, node), got)
            assert other["state_digest"] == ballot.state_digest
            assert other["output_digest"] == ballot.output_digest


def test_each_row_of_the_record_has_a_packet(
    decoded: list[Decoded], database: sqlite3.Connection
) -> None:
    for kind, table in {
        "upset": "upsets", "transition": "transitions", "repair": "repairs", "health": "health",
        "plant": "plant", "plant_node": "plant_nodes", "orbit": "orbit",
        "link_counts": "link_counts",
    }.items():  # fmt: skip
        rows = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        assert len(of_kind(decoded, kind)) == rows > 0, kind
    causes = [cause for (cause,) in database.execute("SELECT cause FROM transitions ORDER BY id")]
    assert [packet["cause"] for packet in of_kind(decoded, "transition")] == causes
    charge = [soc for (soc,) in database.execute("SELECT soc FROM plant ORDER BY t_us")]
    assert [p["soc"] for p in of_kind(decoded, "plant")] == pytest.approx(charge, rel=1e-6)
    assert all(math.isnan(p["cpu_temp_c"]) for p in of_kind(decoded, "health")), "no sensor"
    first = json.loads(database.execute("SELECT temperatures_c FROM plant").fetchone()[0])
    got = of_kind(decoded, "temperature")[: len(first)]
    assert {t["name"]: t["celsius"] for t in got} == pytest.approx(first, rel=1e-6)
    assert {e["severity"] for e in of_kind(decoded, "event")} <= {
        n.name.lower() for n in EventLevel
    }


def test_sequence_counts_and_times_are_those_of_the_standard(
    stream: bytes, decoded: list[Decoded], flown: Path
) -> None:
    time_module = pytest.importorskip("spacepackets.ccsds.time")
    with api.open_run(flown).record() as reader:
        began = datetime.fromisoformat(reader.meta["started_utc"])
    counts: dict[int, int] = {}
    at, previous = 0, -1
    for packet in decoded:
        code = time_module.CdsShortTimestamp.unpack(stream[at + 6 : at + 13])
        t_us = next(value for key, value in packet.items() if key.endswith("_T_US"))
        expected = began + timedelta(microseconds=t_us - t_us % 1000)
        assert abs(code.as_datetime() - expected) < timedelta(milliseconds=1)
        unix_s = next(value for key, value in packet.items() if key.endswith("_UNIX_S"))
        assert unix_s == pytest.approx(began.timestamp() + t_us / 1e6, abs=1e-6)
        number = counts.get(packet["PKT_APID"], 0)
        assert packet["SRC_SEQ_CTR"] == number % (1 << 14) and packet["SEC_HDR_FLG"] == 1
        counts[packet["PKT_APID"]] = number + 1
        if "RUN_T_US" not in packet:
            assert t_us >= previous, "packets are in the order of time"
            previous = t_us
        at += 7 + packet["PKT_LEN"]
    assert at == len(stream)


def test_the_run_is_announced_first_and_its_outcome_last(
    decoded: list[Decoded], flown: Path
) -> None:
    run = api.open_run(flown)
    last = {key: value for key, value in decoded[-1].items() if key.startswith("RUN_")}
    assert "RUN_NAME" in decoded[0]
    assert (last["RUN_OUTCOME"], last["RUN_NAMES"]) == (run.outcome, ",".join(run.nodes))


def test_the_openc3_file_decodes_like_the_xtce_document(
    stream: bytes, decoded: list[Decoded]
) -> None:
    """By a reader of these lines: items follow each other, big-endian."""
    targets: dict[int, list[tuple[str, int, str, dict[int, str]]]] = {}
    items: list[tuple[str, int, str, dict[int, str]]] = []
    for line in openc3_text().splitlines():
        match line.split():
            case ["TELEMETRY", "HIL", _, "BIG_ENDIAN", *_]:
                items = []
            case ["APPEND_ITEM", name, width_text, kind]:
                items.append((name, int(width_text), kind, {}))
            case ["APPEND_ID_ITEM", name, width_text, "UINT", number]:
                items.append((name, int(width_text), "UINT", {}))
                targets[int(number)] = items
            case ["STATE", word, value]:
                items[-1][3][int(value)] = word
    assert set(targets) == {packet.apid for packet in PACKETS}
    at, seen = 0, set()
    for packet in decoded:
        size = 7 + packet["PKT_LEN"]
        whole = int.from_bytes(stream[at : at + size], "big")
        left = 8 * size
        for (_, width, kind, words), value in zip(
            targets[packet["PKT_APID"]], packet.values(), strict=True
        ):
            left -= width
            raw = whole >> left & ((1 << width) - 1)
            if kind == "STRING":
                assert raw.to_bytes(width // 8, "big").partition(b"\0")[0].decode() == value
            elif kind == "UINT":
                assert words.get(raw, raw) == (str(value).upper() if words else value)
        assert left == 0
        at += size
        seen.add(packet["PKT_APID"])
    assert len(seen) == len(PACKETS), "every packet was compared"


def test_each_field_has_a_name_of_its_own_and_fits_its_place() -> None:
    for packet in PACKETS:
        names = [field.name for field in (*TIME_FIELDS, *packet.fields)]
        assert len(set(names)) == len(names)
        assert packet.layout.size * 8 == sum(field.bits for field in packet.fields)


def test_without_spacepackets_the_message_says_what_to_install(
    flown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spacepackets.ccsds", None)
    with pytest.raises(SetupError, match="spacepackets, which is not installed") as refused:
        ccsds_stream.write_packets(flown, tmp_path / "x.ccsds")
    assert "pip install" in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_packets_are_in_the_order_of_time_in_parts_of_any_size(
    flown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.record.run_follower._BLOCKS_AT_ONCE", 1)
    follower = RunFollower(LiveRecord(flown))
    parts, last_us = 0, 0
    while (news := follower.news()) is not None and not follower.has_all:
        times = [row.t_us for row in news.rows if isinstance(row, RecordedPlant)]
        assert all(last_us <= t_us <= news.times_us[-1] for t_us in times)
        parts, last_us = parts + 1, int(news.times_us[-1])
    follower.record.close()
    assert parts > 0


def test_the_definitions_for_yamcs_follow_the_schema_of_xtce(tmp_path: Path) -> None:
    """The schema of the OMG for XTCE 1.2, which newer releases of space_packet_parser bring."""
    package = pytest.importorskip("space_packet_parser")
    schema = Path(package.__file__).parent / "xtce" / "schemas" / "SpaceSystem.xsd"
    if not schema.is_file():
        pytest.skip("this space_packet_parser has no schema with it, and none is fetched")
    from space_packet_parser.xtce.validation import validate_xtce  # noqa: PLC0415

    options = {"local_xsd": schema, "allow_schema_download": False, "print_results": False}
    (tmp_path / "good.xml").write_bytes(xtce_document())
    assert validate_xtce(tmp_path / "good.xml", raise_on_error=False, **options).valid
    wrong = xtce_document().replace(b'signed="false"', b'signed="perhaps"', 1)
    (tmp_path / "bad.xml").write_bytes(wrong)
    assert not validate_xtce(tmp_path / "bad.xml", raise_on_error=False, **options).valid
