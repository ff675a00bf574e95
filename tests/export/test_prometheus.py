"""The endpoint for Prometheus, read over HTTP with Prometheus's own parser."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from hil import api
from hil.errors import SetupError
from hil.export import prometheus_feed
from hil.export.prometheus_feed import PrometheusFeed
from hil.export.run_metrics import METRICS
from hil.record.run_lock import RunLock

DASHBOARD = Path(prometheus_feed.__file__).parent / "files" / "grafana.json"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def feed(flown: Path) -> Iterator[PrometheusFeed]:
    pytest.importorskip("prometheus_client")
    served = PrometheusFeed(flown, "127.0.0.1", 0)
    yield served
    served.close()


def text_of(feed: PrometheusFeed, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{feed.port}{path}", timeout=10) as answer:
        content: bytes = answer.read()
    return content.decode()


def read(text: str) -> tuple[set[str], Samples]:
    """The names of all families, and all samples by name and labels."""
    parser = pytest.importorskip("prometheus_client.parser")
    families = list(parser.text_string_to_metric_families(text))
    samples = [s for family in families for s in family.samples]
    found = {(s.name, frozenset(s.labels.items())): s.value for s in samples}
    assert len(found) == len(samples), "no sample is there twice"
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    return names, found


def test_all_metrics_are_served_and_no_others(feed: PrometheusFeed) -> None:
    names, _ = read(text_of(feed))
    assert names == {metric.name for metric in METRICS} | {"hil_run_info"}


def test_counts_are_those_of_the_record(feed: PrometheusFeed, database: sqlite3.Connection) -> None:
    for _ in range(2):  # a second request counts nothing again
        _, samples = read(text_of(feed))
        counted: Counter[str] = Counter()
        for (name, _), value in samples.items():
            counted[name] += value  # type: ignore[assignment]
        result = json.loads(
            database.execute("SELECT value FROM meta WHERE key='result'").fetchone()[0]
        )
        for verdict, frames in result["verdicts"].items():
            assert samples["hil_frames_total", frozenset({("verdict", verdict)})] == frames
        assert counted["hil_upsets_total"] == result["upsets"]["injected"] > 0
        assert counted["hil_upset_effects_total"] == counted["hil_upset_outcomes_total"]
        outcomes: Counter[str] = Counter()
        for (name, labels), value in samples.items():
            if name == "hil_upset_outcomes_total":
                outcomes[dict(labels)["outcome"]] += int(value)
        known = {k: v for k, v in result["upsets"]["by_system_outcome"].items() if v}
        assert {k: v for k, v in outcomes.items() if v} == known
        for name, sql in {
            "hil_transitions_total": "SELECT count(*) FROM transitions",
            "hil_repairs_total": "SELECT count(*) FROM repairs",
            "hil_repair_bytes_total": "SELECT sum(bytes_moved) FROM repairs",
            "hil_outputs_total": "SELECT sum(count) FROM blocks",
            "hil_link_bytes_total": "SELECT sum(tx_bytes + rx_bytes) FROM links",
        }.items():
            assert counted[name] == database.execute(sql).fetchone()[0], name


def test_names_keep_to_the_rules_of_prometheus() -> None:
    """Those that `promtool check metrics` of Prometheus 2.42 reports (promlint)."""
    abbreviated = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}
    kinds = {"gauge", "counter", "summary", "histogram", "info"}
    for metric in METRICS:
        words = set(metric.name.split("_"))
        assert not words & (abbreviated | kinds), metric.name
        assert metric.is_counter or "total" not in words, metric.name
        assert metric.text and re.fullmatch(r"hil_[a-z][a-z0-9_]*", metric.name)


def test_counters_are_there_before_their_first_event(tmp_path: Path) -> None:
    """Prometheus never sees the first event of a counter that begins with it."""
    pytest.importorskip("prometheus_client")
    run = api.run("nominal", boards="inproc", frames=20, out=tmp_path / "run")
    quiet = PrometheusFeed(run.folder, "127.0.0.1", 0)
    _, samples = read(text_of(quiet))
    quiet.close()
    assert samples["hil_upset_outcomes_total", frozenset({("outcome", "sdc_escaped")})] == 0
    assert samples["hil_slips_total", frozenset()] == 0
    assert samples["hil_repair_bytes_total", frozenset({("node", "b")})] == 0
    isolated = frozenset({("node", "c"), ("after", "isolated")})
    assert samples["hil_transitions_total", isolated] == 0
    failed = frozenset({("node", "a"), ("action", "reset"), ("result", "failed")})
    assert samples["hil_repairs_total", failed] == 0


def test_gauges_are_the_newest_rows_of_the_record(
    feed: PrometheusFeed, database: sqlite3.Connection
) -> None:
    _, samples = read(text_of(feed))
    soc, bus = database.execute("SELECT soc, bus_v FROM plant ORDER BY t_us DESC").fetchone()
    assert samples["hil_plant_charge_ratio", frozenset()] == soc
    assert samples["hil_plant_bus_volts", frozenset()] == bus
    for node in "abc":
        states = {
            dict(labels)["state"]: value
            for (name, labels), value in samples.items()
            if name == "hil_node_state" and dict(labels)["node"] == node
        }
        assert sum(states.values()) == states["voting"] == 1
    assert samples["hil_run_outcome", frozenset({("outcome", "pass")})] == 1


def test_a_run_whose_process_was_killed_is_not_running(killed: Path) -> None:
    pytest.importorskip("prometheus_client")
    outcomes = {}
    with closing(PrometheusFeed(killed, "127.0.0.1", 0)) as feed:
        for state in ("killed", "resumed"):
            with RunLock(killed) if state == "resumed" else nullcontext():
                _, samples = read(text_of(feed))
            outcomes[state] = [
                dict(labels)["outcome"]
                for (name, labels), value in samples.items()
                if name == "hil_run_outcome" and value
            ]
    assert outcomes == {"killed": ["killed"], "resumed": ["running"]}
    assert samples["hil_run_record_age_seconds", frozenset()] > 0


def test_before_a_run_begins_there_are_no_metrics_of_it(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    with closing(PrometheusFeed(tmp_path, "127.0.0.1", 0)) as feed:
        assert text_of(feed).strip() == ""


def test_other_paths_than_that_of_the_metrics_only_point_to_it(feed: PrometheusFeed) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        text_of(feed, "/nothing")
    assert refused.value.code == 404
    for text in (text_of(feed, "/"), refused.value.read().decode()):
        assert 'href="/metrics"' in text and "hil_run" not in text


def test_the_dashboard_asks_only_for_metrics_and_labels_that_the_endpoint_has(
    feed: PrometheusFeed,
) -> None:
    names, _ = read(text_of(feed))
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    labels["hil_run_info"] = {"scenario", "scheme", "seed"}
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for t in targets for name in re.findall(r"\bhil_\w+", t["expr"])}
    assert asked <= names
    assert names - asked <= {"hil_run_simulated_seconds", "hil_board_uptime_seconds",
                             "hil_orbit_altitude_meters"}  # fmt: skip
    for target in targets:
        of_target = set().union(*(labels[n] for n in re.findall(r"\bhil_\w+", target["expr"])))
        in_legend = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
        grouped = {
            name.strip()
            for by in re.findall(r"by \(([^)]*)\)", target["expr"])
            for name in by.split(",")
        }
        assert in_legend | grouped <= of_target, target["expr"]
    variables = [variable["query"] for variable in dashboard["templating"]["list"]]
    assert "label_values(hil_run_info, instance)" in json.dumps(variables)


def test_the_endpoint_answers_at_its_own_address_only(feed: PrometheusFeed) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", feed.port), timeout=5)


def test_a_port_that_is_taken_is_one_message(feed: PrometheusFeed, flown: Path) -> None:
    with pytest.raises(SetupError, match=f"cannot serve at 127.0.0.1:{feed.port}"):
        PrometheusFeed(flown, "127.0.0.1", feed.port)


def test_without_prometheus_client_the_message_says_what_to_install(
    flown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SetupError, match="prometheus_client, which is not installed") as refused:
        PrometheusFeed(flown, "127.0.0.1", 0)
    assert "pip install" in str(refused.value)
