"""The evidence file: what it says follows from the record, and a change of either is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import scipy  # whose modules load when used
from jsonschema import Draft202012Validator

from hil.engine.loop import Loop
from hil.engine.observers import RunObserver
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import campaign_summary
from hil.report.evidence.evidence_check import check_evidence
from hil.report.evidence.evidence_file import (
    evidence_of,
    evidence_schema,
    read_evidence,
    write_evidence,
)
from hil.rig.backends.process import find_agent
from tests.analysis.small_campaigns import small_campaign
from tests.command_line import Hil
from tests.report.runs import run, scenario


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = run(tmp_path_factory.mktemp("evidence") / "r")
    write_evidence(folder)
    return folder


@pytest.fixture
def copy(honest: Path, tmp_path: Path) -> Path:
    shutil.copytree(honest, tmp_path / "r")
    return tmp_path / "r"


def follows_the_schema(content: Any) -> None:
    schema: Any = evidence_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(content)


def refused(folder: Path) -> str:
    check = check_evidence(read_evidence(folder / "evidence.json"), folder / "run.db")
    assert not check.ok
    return " ".join(check.differences)


def test_the_evidence_of_a_run_follows_its_schema_and_its_record(honest: Path) -> None:
    content: Any = read_evidence(honest / "evidence.json")
    follows_the_schema(content)
    with closing(sqlite3.connect(honest / "run.db")) as db:
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        effects = dict(db.execute("SELECT effect, count(*) FROM upsets GROUP BY effect").fetchall())
    result = json.loads(meta["result"])
    assert content["reproduce"]["digest"] == result["run_digest"]
    assert content["record"]["digest"] == json.loads(meta["seal"])["record_digest"]
    assert content["subject"]["scenario_sha256"] == meta["config_hash"]
    counted = content["outcomes"]["all"]["effects"]
    assert {k: v["count"] for k, v in counted.items() if v["count"]} == effects
    assert content["outcomes"]["counting"]["kind"] == "exact"
    assert check_evidence(content, honest / "run.db").ok


def test_the_agent_that_ran_is_named_by_its_digest(honest: Path) -> None:
    from hil import _kernel  # noqa: PLC0415

    content: Any = read_evidence(honest / "evidence.json")
    wanted = hashlib.sha256(Path(_kernel.__file__).read_bytes()).hexdigest()
    assert {image["sha256"] for image in content["images"]} == {wanted}


def test_shares_of_drawn_upsets_have_exact_intervals(tmp_path: Path) -> None:
    rates = [{"target": "output", "per_s": 20}]
    folder = run(tmp_path / "r", upsets={"rates": rates}, frames=400)
    content: Any = evidence_of(folder)
    follows_the_schema(content)
    whole = content["outcomes"]["all"]
    sdc = whole["effects"]["sdc"]
    assert 0 < sdc["count"] < whole["faults"]
    wanted = scipy.stats.binomtest(sdc["count"], whole["faults"]).proportion_ci(
        0.95, method="exact"
    )
    assert sdc["interval"] == pytest.approx([wanted.low, wanted.high], abs=1e-9)


def test_a_run_that_did_not_end_has_evidence_that_says_so(tmp_path: Path) -> None:
    out = tmp_path / "r"
    out.mkdir()
    Loop(scenario(), out, stop=lambda: True).run()
    content: Any = evidence_of(out)
    follows_the_schema(content)
    assert content["verdict"]["outcome"] == "aborted"
    assert content["outcomes"]["all"]["effects"]["sdc"] == {
        "count": 0,
        "share": None,
        "interval": None,
    }


def _count(content: Any) -> str:
    content["outcomes"]["all"]["effects"]["sdc"]["count"] = 0
    return "outcomes.all.effects.sdc.count"


def _verdict(content: Any) -> str:
    content["verdict"]["expectations"][0]["measured"] = 7
    return "verdict.expectations[0].measured"


def _image(content: Any) -> str:
    content["images"][0]["sha256"] = "0" * 64
    return "images[0].sha256"


def _known(content: Any) -> str:
    content["images"][0]["known"] = "seen by me"
    return "images[0].known"


def _board(content: Any) -> str:
    content["context"]["boards"][1]["agent_version"] = "9"
    return "context.boards[1].agent_version"


def _kernel_log(content: Any) -> str:
    content["context"]["host_kernel_log"]["unknown"] += "it was quiet"
    return "context.host_kernel_log.unknown"


def _left_out(content: Any) -> str:
    del content["exposure"]
    return "exposure"


def _added(content: Any) -> str:
    content["approved"] = True
    return "approved"


def _added_without_a_value(content: Any) -> str:
    content["verdict"]["objections"] = "nothing"
    return "verdict.objections"


_CHANGES = [_count, _verdict, _image, _known, _board, _kernel_log, _left_out, _added]


@pytest.mark.parametrize("change", [*_CHANGES, _added_without_a_value])
def test_evidence_that_was_changed_is_refused_by_the_key(
    copy: Path, change: Callable[[Any], str]
) -> None:
    content: Any = read_evidence(copy / "evidence.json")
    key = change(content)
    (copy / "evidence.json").write_text(json.dumps(content), encoding="utf-8")
    assert f"`{key}`: the evidence says" in refused(copy)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE upsets SET effect = 'masked' WHERE effect = 'sdc'", "outcomes.all.effects.sdc"),
        ("UPDATE meta SET value = replace(value, '80', '81') WHERE key = 'result'", "changed"),
        ("UPDATE nodes SET agent_version = '9'", "images[0].version"),
        ("DELETE FROM repairs", "table `repairs`"),
        (
            "UPDATE meta SET value = replace(value, '\"lost\": false', '\"lost\": true') "
            "WHERE key = 'board_context'",
            "table `meta`",
        ),
    ],
)
def test_a_record_that_was_changed_is_refused(copy: Path, statement: str, named: str) -> None:
    with closing(sqlite3.connect(copy / "run.db")) as db:
        db.execute(statement)
        db.commit()
    found = refused(copy)
    assert "the record was changed" in found
    assert named in found


def test_a_console_log_that_was_changed_or_taken_away_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    agent = tmp_path / "agent"
    agent.write_text(f'#!/bin/sh\necho "E_FLASH: 7" >&2\nexec {find_agent()} "$@"\n')
    agent.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_AGENT", str(agent))
        run(folder, rig={"scheme": "tmr", "board": "process"}, frames=20, upsets={})
    content: Any = read_evidence(write_evidence(folder))
    follows_the_schema(content)
    assert content["images"][0]["sha256"] == hashlib.sha256(agent.read_bytes()).hexdigest()
    console = content["context"]["boards"][1]["console"]
    log = folder / console["file"]
    assert console["sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    assert check_evidence(content, folder / "run.db").ok
    log.write_bytes(log.read_bytes().replace(b"E_FLASH", b"I_FLASH"))
    assert "b.log was changed: it is not the console log of the run" in refused(folder)
    log.unlink()
    assert "b.log is missing" in refused(folder)


def _with_unknown_as_masked(content: Any) -> Any:
    """Up to the second format, an upset of unknown effect counted as masked, and a key had no
    name."""
    for part in (content["outcomes"]["all"], *content["outcomes"]["by_target"].values()):
        part["effects"][""] = part["effects"].pop("unknown")
    return {**content, "hil_evidence": 2}


def test_evidence_of_the_second_format_is_checked_as_it_was_written(copy: Path) -> None:
    content = _with_unknown_as_masked(read_evidence(copy / "evidence.json"))
    assert check_evidence(content, copy / "run.db").ok
    content["outcomes"]["all"]["effects"]["masked"]["count"] += 1
    check = check_evidence(content, copy / "run.db")
    assert [line for line in check.differences if "effects.masked.count" in line]


def test_every_key_of_the_evidence_has_a_name(honest: Path) -> None:
    def keys(value: Any) -> list[str]:
        inner = value.values() if isinstance(value, dict) else value
        nested = [k for v in inner for k in keys(v)] if isinstance(value, (dict, list)) else []
        return [*value, *nested] if isinstance(value, dict) else nested

    content: Any = read_evidence(honest / "evidence.json")
    assert all(keys(content))
    effects: Any = evidence_schema()
    described = effects["$defs"]["outcomes"]["properties"]["effects"]["properties"]
    assert described.keys() == content["outcomes"]["all"]["effects"].keys()
    assert all(effect["description"] for effect in described.values())


def test_a_console_log_that_the_record_does_not_know_is_refused_and_not_shown(
    copy: Path, hil: Hil
) -> None:
    (copy / "console").mkdir()
    (copy / "console" / "a.log").write_text("FORGED kernel panic on board a\n", encoding="utf-8")
    unknown = "console/a.log is not of this run"
    done = hil("verify", copy / "evidence.json")
    assert done.code == 1 and unknown in done.out
    page = copy.parent / "page.html"
    assert hil("report", copy, "-o", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert "FORGED" not in text and unknown in text
    done = hil("console", copy, "a")
    assert done.code == 3 and unknown in done.err and "FORGED" not in done.out
    assert hil("console", copy, "b").code == 0


def test_reports_that_are_missing_are_named(copy: Path, hil: Hil) -> None:
    for name in ("manifest.json", "junit.xml"):
        (copy / name).unlink()
    done = hil("verify", copy / "evidence.json")
    assert done.code == 0
    for name in ("manifest.json", "junit.xml"):
        assert f"not covered: there is no {name} beside the record" in done.err


@pytest.mark.parametrize("content", ["", "{", "\0\1\2", "[]", "null", "7"])
def test_a_file_that_is_not_evidence_is_refused_and_not_compared(
    copy: Path, hil: Hil, content: str
) -> None:
    file = copy / "evidence.json"
    file.write_text(content, encoding="utf-8")
    done = hil("verify", file)
    assert done.code == 1
    first, second = done.out.splitlines()
    assert "is not a readable evidence file, so it was compared with no record" in first
    assert "cannot be read as JSON" in second or "is not an evidence file" in second
    assert hil("verify", file, "--json").json["record"] is None


def test_evidence_of_another_run_is_named_as_such(copy: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "other", name="another", seed=6)
    check = check_evidence(read_evidence(copy / "evidence.json"), other / "run.db")
    first, second = check.differences
    assert first.startswith("this evidence is of `reported` (seed 5, started ")
    assert "; the record is of `another` (seed 6, started " in first
    assert second.endswith(" keys differ for that reason")


def test_evidence_of_the_first_format_is_checked_as_it_was_written(copy: Path) -> None:
    content = _with_unknown_as_masked(read_evidence(copy / "evidence.json"))
    del content["context"]
    content["hil_evidence"] = 1
    for image in content["images"]:
        del image["known"]
    assert check_evidence(content, copy / "run.db").ok
    content["images"][0]["version"] = "9"
    assert not check_evidence(content, copy / "run.db").ok


@pytest.mark.skipif(not os.access("/dev/kmsg", os.W_OK), reason="needs a kernel log to write to")
def test_what_the_kernel_of_this_computer_says_during_a_run_is_the_difference(
    tmp_path: Path,
) -> None:
    class Says(RunObserver):
        def on_start(self, frame: int) -> None:
            Path("/dev/kmsg").write_text(f"hil test {tmp_path.name}, frame {frame}\n")

    (tmp_path / "r").mkdir()
    Loop(scenario(frames=10, upsets={}), tmp_path / "r", observers=[Says()]).run()
    content: Any = evidence_of(tmp_path / "r")
    follows_the_schema(content)
    log = content["context"]["host_kernel_log"]
    if log["unknown"]:
        pytest.skip(f"this user may write the kernel log, and not read it: {log['unknown']}")
    assert any(f"hil test {tmp_path.name}, frame 0" in line for line in log["new"])
    assert log["after"]["lines"] >= log["new_lines"] > 0
    assert log["before"]["sha256"] != log["after"]["sha256"]


def test_a_vote_that_was_changed_is_refused(copy: Path) -> None:
    with closing(sqlite3.connect(copy / "run.db")) as db:
        first, data = db.execute(
            "SELECT first_frame, data FROM blocks WHERE first_frame <= 20 "
            "ORDER BY first_frame DESC LIMIT 1"
        ).fetchone()
        data = bytearray(data)
        data[86 * (20 - first) + 34] ^= 1  # a bit of the output digest of node a in frame 20
        db.execute("UPDATE blocks SET data = ? WHERE first_frame = ?", (bytes(data), first))
        db.commit()
    assert "frame 20" in refused(copy)


def test_the_command_says_what_differs_and_how_it_ends(copy: Path, hil: Hil) -> None:
    file = copy / "evidence.json"
    done = hil("verify", file)
    assert (done.code, "verified" in done.out) == (0, True)
    moved = copy.parent / "elsewhere.json"
    moved.write_bytes(file.read_bytes())
    missing = hil("verify", moved)
    assert missing.code == 3
    assert "there is no record" in missing.err
    assert hil("verify", moved, "--record", copy, "--json").json["verified"] is True
    result = small_campaign(moved.parent / "mine.campaign")
    other = hil("verify", moved, "--record", result)
    assert other.code == 2
    assert f"is the evidence of a run, but {result} is of a campaign" in other.err
    content: Any = read_evidence(file)
    key = _count(content)
    file.write_text(json.dumps(content), encoding="utf-8")
    changed = hil("verify", file)
    assert changed.code == 1
    assert f"`{key}`" in changed.out
    file.write_text("{", encoding="utf-8")
    assert hil("verify", file).code == 1
    (copy / "run.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    file.write_bytes(moved.read_bytes())
    damaged = hil("verify", file)
    assert damaged.code == 1
    assert "cannot be read" in damaged.out


def test_a_key_that_stands_twice_is_refused(copy: Path, hil: Hil) -> None:
    """Some programs take the first one, `json` the last one: both cannot be compared."""
    file = copy / "evidence.json"
    text = file.read_text(encoding="utf-8")
    forged = text.replace("{", '{"verdict": {"outcome": "pass"},', 1)
    file.write_text(forged, encoding="utf-8")
    done = hil("verify", file)
    assert done.code == 1
    assert "the key `verdict` stands twice" in done.out


def test_evidence_that_does_not_say_what_wrote_it_is_refused(copy: Path) -> None:
    content: Any = read_evidence(copy / "evidence.json")
    del content["written_by"]
    (copy / "evidence.json").write_text(json.dumps(content), encoding="utf-8")
    assert "`written_by`" in refused(copy)


def test_a_name_in_evidence_leads_to_no_other_folder(copy: Path, tmp_path: Path, hil: Hil) -> None:
    content: Any = read_evidence(copy / "evidence.json")
    content["record"]["file"] = str(copy / "run.db")
    file = tmp_path / "alone.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert hil("verify", file).code == 3


def test_the_evidence_of_an_exact_campaign_has_exact_counts(result: Path, tmp_path: Path) -> None:
    path = tmp_path / result.name
    shutil.copy(result, path)
    file = write_evidence(path)
    content: Any = read_evidence(file)
    follows_the_schema(content)
    with CampaignFile(path) as opened:
        total = campaign_summary(opened).total
    assert content["outcomes"]["counting"] == {
        "kind": "exact",
        "confidence": None,
        "interval": None,
    }
    assert content["outcomes"]["all"]["faults"] == total.faults
    counts = {k: v["count"] for k, v in content["outcomes"]["all"]["effects"].items()}
    assert counts == {effect.value: total.effects[effect] for effect in total.effects} | {
        k: 0 for k, v in counts.items() if not v
    }
    assert content["outcomes"]["by_symbol"]
    assert content["record"]["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert check_evidence(content, path).ok
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE classes SET weight = weight + 1 WHERE number = 3")
        db.commit()
    assert not check_evidence(content, path).ok
