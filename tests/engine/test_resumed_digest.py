"""A resumed run ends with the run digest of an undisturbed one, whatever lay in the nodes.

A process runs it and is killed at a random moment, once to three times; what differs from the whole
run is shown down to the first row. The seeds are fixed, the moments are not: they are real ones.
A few seeds run with `-m slow`, all with `-m 'slow or stress'`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hil.engine import loop as loop_module
from hil.engine.loop import Loop
from hil.errors import RecordError
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import Scenario
from tests.amount import mostly_slow, mostly_stress
from tests.between_frames import between_frames

DEADLINE_S = 900
SHORT = 5000  # frames
PORTABLE = ("state", "input", "output", "checkpoint")
IN_WORKER = ("gpr", "vector", "stack")
HOST = """
import json, sys
from pathlib import Path
from hil.engine import loop; from hil.engine import resume
from hil.scenario import Scenario
out, snapshot_us = Path(sys.argv[1]), int(sys.argv[2])
loop._SNAPSHOT_US = snapshot_us
again = (out / "run.db").exists()
s = resume.open_run(out)[0] if again else Scenario.model_validate(json.loads(sys.argv[3]))
loop.Loop(s, out, resume_run=again).run()
"""


def scenario(seed: int, board: str, frames: int) -> Scenario:
    """Everything that may lie in a node: stuck cells for a while, for ever, and permanent ones,
    damaged checkpoints, and on processes hit registers and stacks; in a rig of any size. Long runs
    have no cells that are stuck for ever: each frame would be rolled back or healed."""
    r = random.Random(seed)
    scheme = r.choice(["simplex", "dmr", "tmr", "tmr", "tmr", "5mr"])
    nodes = {"simplex": "a", "dmr": "ab", "tmr": "abc", "5mr": "abcde"}[scheme]
    per_s = 1000 * r.choice([40, 150, 400]) / frames
    rates: list[dict[str, Any]] = [
        {
            "targets": list(PORTABLE),
            "per_s": per_s,
            "patterns": r.choice(
                [
                    {"bit": 1},
                    {"bit": 1, "adjacent": 1, "stuck": 1},
                    {"random_word": 1, "zero_word": 1, "bit": 1},
                ]
            ),
        },
    ]
    if board == "process":
        rates.append({"targets": list(IN_WORKER), "per_s": per_s / 2, "steps_max": 20})
    holds = [0, 3, 50, 500] if frames < SHORT else [3, 50, 500]
    events: list[dict[str, Any]] = [
        {
            "frame": r.randrange(frames),
            "node": r.choice(nodes),
            "target": r.choice(PORTABLE),
            "pattern": "stuck",
            "hold_frames": r.choice(holds),
            "bit": r.randrange(80),
        }
        for _ in range(r.randrange(3))
    ]
    if r.random() < 0.5:
        events.append(
            {
                "frame": r.randrange(frames),
                "node": r.choice(nodes),
                "target": "board",
                "returns_after_frames": r.randrange(5, 300),
            }
        )
    return Scenario.model_validate(
        {
            "name": "resumed",
            "workload": r.choice(["attitude", "infer", "sha256"]),
            "seed": seed,
            "frames": frames,
            "frame_ms": 1,
            "rig": {"scheme": scheme, "board": board},
            "recovery": {
                "resyncs": 50,
                "restarts": 50,
                "resets": 50,
                "power_cycles": 9,
                "rollbacks": r.choice([0, 1, 2]),
                "checkpoint_every": r.choice([1, 7, 16, 16, 100]),
                "scrub_words": r.choice([0, 1, 8, 64]),
            },
            "upsets": {"one_at_a_time": r.random() < 0.6, "events": events, "rates": rates},
            "expect": {},
        }
    )


def recorded_frames(out: Path) -> int:
    try:
        reader = Reader(out)
    except RecordError:
        return 0
    try:
        return int(reader.rows("SELECT coalesce(sum(count), 0) FROM blocks")[0][0])
    except RecordError:
        return 0
    finally:
        reader.close()


def run_and_kill(s: Scenario, out: Path, moments: list[int]) -> None:
    """Begin (or resume) it, and kill it when it has recorded so many frames, once per moment."""
    out.mkdir()
    given = json.dumps(s.model_dump(mode="json", by_alias=True))
    for moment in moments:
        command = [sys.executable, "-c", HOST, str(out), "50000", given]
        process = subprocess.Popen(command)
        end_s = time.monotonic() + DEADLINE_S
        try:
            while recorded_frames(out) < moment and process.poll() is None:
                assert time.monotonic() < end_s
                time.sleep(0.005)
        finally:
            process.kill()
            process.wait()


def told(out: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the digest is made of, as far as it has rows."""
    reader = Reader(out)
    try:
        return {
            "upsets": [tuple(r) for r in reader.rows("SELECT * FROM upsets ORDER BY id")],
            "transitions": [
                tuple(r)
                for r in reader.rows(
                    "SELECT frame, node, before, after FROM transitions ORDER BY id"
                )
            ],
        }
    finally:
        reader.close()


def explain(whole: Path, resumed: Path) -> str:
    for table, rows in told(whole).items():
        for before, now in zip(rows, told(resumed)[table], strict=False):
            if before != now and table != "upsets":
                return f"{table}: {before}, resumed {now}"
            if before[:6] + before[22:25] != now[:6] + now[22:25]:
                return f"{table}: {before}, resumed {now}"
    return "the frames"


def resumes_exactly(s: Scenario, tmp_path: Path, moments: list[int]) -> None:
    whole = Path(tmp_path / "whole")
    whole.mkdir()
    undisturbed = Loop(s, whole).run()
    cut = tmp_path / "cut"
    run_and_kill(s, cut, moments)
    reader = Reader(cut)
    finished = reader.meta_object("result")
    reader.close()
    resumed = finished or Loop(s, cut, resume_run=True).run().as_json()
    assert resumed["run_digest"] == undisturbed.run_digest, explain(whole, cut)
    counted = {**undisturbed.as_json(), "run_dir": ""}
    assert {**resumed, "run_dir": ""} == json.loads(json.dumps(counted)) or finished


def some(seed: int, frames: int) -> list[int]:
    r = random.Random(seed)
    return sorted(r.randrange(1, frames) for _ in range(r.randrange(1, 4)))


@pytest.mark.parametrize("seed", mostly_slow([8, 9], keep=0))
def test_killed_runs_on_processes_resume_exactly(seed: int, tmp_path: Path) -> None:
    resumes_exactly(scenario(seed, "process", 800), tmp_path, [400])


@pytest.mark.parametrize("seed", mostly_stress(range(10), keep=2, timeout_s=2 * DEADLINE_S))
def test_killed_runs_of_200_000_frames_in_process_resume_exactly(seed: int, tmp_path: Path) -> None:
    resumes_exactly(scenario(seed, "inproc", 200_000), tmp_path, some(seed, 200_000))


@pytest.mark.parametrize("seed", mostly_stress(range(40), keep=1, timeout_s=2 * DEADLINE_S))
def test_killed_runs_of_20_000_frames_on_processes_resume_exactly(
    seed: int, tmp_path: Path
) -> None:
    resumes_exactly(scenario(seed, "process", 20_000), tmp_path, some(seed, 20_000))


# --- many more, cut off without a kill --------------------------------------------------------


class Cut(Exception):
    """The power fails."""


def run_until(s: Scenario, out: Path, cut: int | None, *, again: bool) -> RunResult | None:
    """The result; None if it was cut off at frame `cut`."""

    def stop() -> bool:
        if cut is not None and loop.next_frame >= cut:
            raise Cut
        return False

    loop = Loop(s, out, resume_run=again, **between_frames(stop))
    try:
        return loop.run()
    except Cut:
        return None


def run_and_cut(s: Scenario, out: Path, cuts: list[int]) -> RunResult:
    out.mkdir()
    for number, cut in enumerate([*cuts, None]):
        result = run_until(s, out, cut, again=number > 0)
        if result is not None:
            return result
    raise AssertionError("the last one is not cut")


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 100])
def test_runs_that_are_cut_off_anywhere_resume_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """With a snapshot wherever there can be one, so that as many places as possible are tried."""
    for seed in range(first, first + (3 if not first else 20)):
        s = scenario(seed, "inproc", 400)
        whole = run_and_cut(s, tmp_path / f"whole{seed}", [])
        monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)
        resumed = run_and_cut(s, tmp_path / f"cut{seed}", some(seed, 400))
        monkeypatch.undo()
        assert {**resumed.as_json(), "run_dir": ""} == {**whole.as_json(), "run_dir": ""}, (
            seed,
            explain(tmp_path / f"whole{seed}", tmp_path / f"cut{seed}"),
        )
