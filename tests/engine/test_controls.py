"""Positive and negative controls: what is forced is seen for what it is, every time; what is not
there is never seen.

The truth about an upset of the state is the golden kernel itself, computed with the flipped bit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import Golden, workload
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import WORKLOADS, Scenario
from tests.amount import mostly_slow, without_variants

BOARDS = ("inproc", "process")
# Here nodes are hit far more often than any ladder expects.
PATIENT = {"resyncs": 1000, "restarts": 1000, "resets": 1000, "power_cycles": 1000}


_OPEN: list[Reader] = []


@pytest.fixture(autouse=True)
def close_records() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def run(
    out: Path, board: str, events: list[dict[str, Any]], **changes: Any
) -> tuple[RunResult, Reader]:
    scheme = changes.pop("scheme", "tmr")
    scenario = Scenario.model_validate(
        {
            "rig": {"scheme": scheme, "board": board},
            "recovery": PATIENT,
            "timeouts": {"cpu_floor_ms": 10, "lost_after_ms": 2000},
            "upsets": {"events": events},
            **changes,
        }
    )
    result = Loop(scenario, out).run()
    _OPEN.append(Reader(out))
    return result, _OPEN[-1]


def upsets(reader: Reader) -> list[dict[str, Any]]:
    return [dict(row) for row in reader.rows("SELECT * FROM upsets ORDER BY id")]


def count(reader: Reader, table: str) -> int:
    return int(reader.rows(f"SELECT count(*) FROM {table}")[0][0])


# --- nothing happens ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", mostly_slow(without_variants(WORKLOADS), keep=1))
@pytest.mark.parametrize("board", BOARDS)
def test_without_upsets_there_is_no_event_at_all(tmp_path: Path, board: str, name: str) -> None:
    frames = {"inproc": 12_000, "process": 1000}[board] // (6 if name == "archive" else 1)
    result, reader = run(tmp_path, board, [], workload=name, frames=frames)
    assert result.verdicts["unanimous"] == result.frames == frames
    assert (result.recoveries, result.unexplained, result.slips) == (0, 0, 0)
    assert result.metrics["isolated"] == 0 and result.availability == 1
    for table in (
        "upsets",
        "transitions",
        "repairs",
        "damage",
        "anomalies",
        "slips",
        "frames",
        "replies",
        "notes",
    ):
        assert count(reader, table) == 0, table


@pytest.mark.parametrize("scheme", mostly_slow(["simplex", "dmr", "5mr", "7mr"], keep=2))
@pytest.mark.parametrize("board", BOARDS)
def test_without_upsets_other_schemes_are_as_quiet(tmp_path: Path, board: str, scheme: str) -> None:
    result, reader = run(tmp_path, board, [], workload="sha256", frames=300, scheme=scheme)
    kind = "simplex" if scheme == "simplex" else "unanimous"
    assert result.verdicts[kind] == result.frames == 300 and result.availability == 1
    for table in ("transitions", "repairs", "anomalies", "frames", "replies"):
        assert count(reader, table) == 0, table


# --- upsets of the state, against the golden kernel ---------------------------------------------


def predicted(name: str, hits: dict[int, int]) -> dict[int, str]:
    """The effect of flipping a bit of the state before the frame begins, by frame."""
    golden, other = Golden(name, 1), Golden(name, 1)
    effects: dict[int, str] = {}
    for frame in range(max(hits) + 1):
        before = bytearray(golden.state)
        golden.step()
        if frame in hits:
            bit = hits[frame]
            before[bit // 8] ^= 1 << bit % 8
            other.resume(frame, bytes(before))
            other.step()
            if other.output_digest != golden.output_digest:
                effects[frame] = "sdc"
            else:
                same = other.state_digest == golden.state_digest
                effects[frame] = "masked" if same else "latent"
    return effects


@pytest.mark.parametrize("name", mostly_slow(without_variants(WORKLOADS), keep=4))
@pytest.mark.parametrize("board", BOARDS)
def test_every_flipped_bit_of_the_state_has_the_effect_that_the_kernel_predicts(
    tmp_path: Path, board: str, name: str
) -> None:
    rng = random.Random(f"{name} state")
    bits = workload(name).state_len * 8
    hits = {frame: rng.randrange(bits) for frame in range(5, 245, 6)}
    events = [
        {"frame": f, "node": rng.choice("abc"), "target": "state", "bit": b, "tick": 0}
        for f, b in hits.items()
    ]
    wanted = predicted(name, hits)
    result, reader = run(tmp_path, board, events, workload=name, frames=250)
    seen = upsets(reader)
    assert {u["frame"]: u["effect"] for u in seen} == wanted
    assert all(u["state"] == "injected" and u["verified"] and u["changed"] for u in seen)
    for u in seen:
        outcome = "no_effect" if u["effect"] == "masked" else "corrected"
        assert (u["outcome"], u["resolved_frame"]) == (outcome, u["frame"])
        assert u["bit"] == hits[u["frame"]] and u["space"] == bits
        assert u["before"][0] ^ u["after"][0] == 1 << u["bit"] % 8
    assert result.metrics["sdc_frames"] == 0 and result.unexplained == 0
    assert result.verdicts["unanimous"] + result.verdicts["majority"] == 250


def test_predictions_are_of_every_kind() -> None:
    kinds = set()
    for name in WORKLOADS:
        rng = random.Random(f"{name} state")
        bits = workload(name).state_len * 8
        kinds |= set(predicted(name, {f: rng.randrange(bits) for f in range(5, 245, 6)}).values())
    assert kinds == {"masked", "latent", "sdc"}


# --- forced results -----------------------------------------------------------------------------


def falsifying_events(name: str, frames: range, nodes: str) -> list[dict[str, Any]]:
    """Cells of the output that do not hold the right value: certain to falsify."""
    rng = random.Random(f"{name} output")
    golden = Golden(name, 1)
    out: list[dict[str, Any]] = []
    for frame in range(frames.stop):
        golden.step()
        if frame not in frames:
            continue
        bit = rng.randrange(len(golden.output) * 8)
        right = golden.output[bit // 8] >> bit % 8 & 1
        out.append(
            {
                "frame": frame,
                "node": rng.choice(nodes),
                "target": "output",
                "bit": bit,
                "tick": rng.randrange(workload(name).ticks),
                "hold_frames": 1,
                "pattern": {"kind": "stuck", "value": 1 - right},
            }
        )
    return out


@pytest.mark.parametrize("name", mostly_slow(without_variants(WORKLOADS), keep=2))
@pytest.mark.parametrize("board", BOARDS)
def test_a_falsified_result_is_outvoted_every_time(tmp_path: Path, board: str, name: str) -> None:
    events = falsifying_events(name, range(4, 200, 5), "abc")
    result, reader = run(tmp_path, board, events, workload=name, frames=210)
    seen = upsets(reader)
    assert [(u["effect"], u["outcome"]) for u in seen] == [("sdc", "corrected")] * len(events)
    assert [u["node"] for u in seen] == [e["node"] for e in events]
    assert result.metrics["sdc_frames"] == 0 and result.availability == 1
    dissent = reader.rows("SELECT frame, dissent, agree FROM frames ORDER BY frame")
    wanted = [(e["frame"], 1 << "abc".index(e["node"])) for e in events]
    assert [(r["frame"], r["dissent"]) for r in dissent] == wanted
    assert all(r["agree"] == 7 ^ r["dissent"] for r in dissent)


@pytest.mark.parametrize("name", mostly_slow(without_variants(WORKLOADS), keep=4))
@pytest.mark.parametrize("board", BOARDS)
def test_a_falsified_result_of_a_single_node_escapes_every_time(
    tmp_path: Path, board: str, name: str
) -> None:
    events = falsifying_events(name, range(4, 200, 5), "a")
    result, reader = run(tmp_path, board, events, workload=name, frames=210, scheme="simplex")
    seen = [(u["effect"], u["outcome"]) for u in upsets(reader)]
    assert seen == [("sdc", "sdc_escaped")] * len(events)
    assert result.metrics["sdc_frames"] == len(events)
    assert result.availability == pytest.approx(1 - len(events) / 210)


@pytest.mark.parametrize(
    ("sefi", "effect", "signal"),
    [("crash", "crash", 4), ("hang", "hang", 0), ("reset", "reboot", 0)],
)
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", mostly_slow(["attitude", "infer"], keep=1))
def test_a_processor_that_stops_is_found_and_brought_back_every_time(
    tmp_path: Path, name: str, board: str, sefi: str, effect: str, signal: int
) -> None:
    rng = random.Random(f"{name} {sefi}")
    ticks = workload(name).ticks
    events = [
        {
            "frame": f,
            "node": rng.choice("abc"),
            "target": "cpu",
            "sefi": sefi,
            "tick": rng.randrange(ticks),
        }
        for f in range(3, 240, 8)
    ]
    result, reader = run(tmp_path, board, events, workload=name, frames=250)
    seen = upsets(reader)
    assert len(seen) == 30
    assert {(u["state"], u["verified"], u["effect"], u["signal"], u["outcome"]) for u in seen} == {
        ("injected", 1, effect, signal, "recovered")
    }
    assert {u["resolved_frame"] - u["frame"] for u in seen} == {3}, "as `reintegrate_frames` says"
    assert result.recoveries == 30 and result.unexplained == 0
    assert result.availability == 1 and result.metrics["isolated"] == 0
    rung = "reset" if sefi == "reset" else "restart"
    repairs = reader.rows("SELECT action, ok FROM repairs")
    assert [(r["action"], r["ok"]) for r in repairs] == [(rung, 1)] * 30


@pytest.mark.parametrize("sefi", mostly_slow(["crash", "hang", "reset"], keep=2))
@pytest.mark.parametrize("board", BOARDS)
def test_a_single_node_computes_the_frame_again_from_its_checkpoint(
    tmp_path: Path, board: str, sefi: str
) -> None:
    events = [
        {"frame": f, "node": "a", "target": "cpu", "sefi": sefi, "tick": 2}
        for f in range(7, 200, 11)
    ]
    result, reader = run(tmp_path, board, events, workload="matmul", frames=210, scheme="simplex")
    assert {(u["effect"], u["outcome"]) for u in upsets(reader)} == {
        ({"reset": "reboot"}.get(sefi, sefi), "recovered")
    }
    assert result.availability == 1 and result.metrics["sdc_frames"] == 0
    assert {r["action"] for r in reader.rows("SELECT action FROM repairs")} == {"rollback"}


@pytest.mark.parametrize("kind", mostly_slow(["corrupt", "drop", "duplicate", "truncate"], keep=1))
@pytest.mark.parametrize("direction", ["to_board", "to_host"])
@pytest.mark.parametrize("board", BOARDS)
def test_noise_on_the_link_never_reaches_a_result(
    tmp_path: Path, board: str, direction: str, kind: str
) -> None:
    events = [
        {"frame": f, "node": "abc"[f % 3], "target": "link", "noise": kind, "direction": direction}
        for f in range(2, 100, 7)
    ]
    result, reader = run(tmp_path, board, events, workload="sha256", frames=110)
    effect = ("masked", "no_effect") if kind == "duplicate" else ("detected", "corrected")
    seen = upsets(reader)
    assert len(seen) == 14
    assert {(u["state"], u["effect"], u["outcome"]) for u in seen} == {("injected", *effect)}
    assert result.verdicts["unanimous"] == 110 and result.recoveries == 0
    assert count(reader, "transitions") == 0


@pytest.mark.parametrize("name", mostly_slow(["infer", "archive"], keep=1))
@pytest.mark.parametrize("board", BOARDS)
def test_a_flipped_bit_of_a_checkpoint_is_corrected_or_overwritten(
    tmp_path: Path, board: str, name: str
) -> None:
    events = [
        {"frame": f, "node": "abc"[n % 3], "target": "checkpoint"}
        for n, f in enumerate(range(1, 400, 17))
    ]
    result, reader = run(tmp_path, board, events, workload=name, frames=410)
    seen = upsets(reader)
    assert len(seen) == 24 and {u["state"] for u in seen} == {"injected"}
    assert {(u["effect"], u["outcome"]) for u in seen} <= {
        ("detected", "corrected"),
        ("masked", "no_effect"),
    }
    # The scrubber goes through 64 words a frame; a checkpoint of 1 MiB is overwritten long before.
    assert any(u["effect"] == "detected" for u in seen) == (name == "infer")
    assert result.verdicts["unanimous"] == 410 and result.unexplained == 0


@pytest.mark.slow
def test_single_stepping_to_a_position_is_not_cpu_time_of_the_worker(tmp_path: Path) -> None:
    """Going instruction by instruction takes a hundred times as long as running: not the worker's
    fault, and no hang."""
    events = [
        {"frame": f, "node": "abc"[f % 3], "target": "vector", "bit": 0, "tick": 3, "steps": 4000}
        for f in range(10, 60, 7)
    ]
    result, reader = run(
        tmp_path,
        "process",
        events,
        workload="matmul",
        frames=70,
        timeouts={"cpu_floor_ms": 5, "cpu_factor": 2},
    )
    seen = upsets(reader)
    assert {(u["state"], u["steps"]) for u in seen} == {("injected", 4000)}
    assert result.upsets.by_node_effect["hang"] == 0
