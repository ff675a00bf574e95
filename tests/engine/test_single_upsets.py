"""Single upsets under TMR, one at a time: no wrong output leaves the system, whatever is hit.

The agents' own memory and the check bits of their checkpoints are among the targets. A thousand
upsets run by default, 20 000 with `-m slow`. `-m stress` runs a million, at least 100 000 of them
on agent memory and check bits, in two halves side by side:

    pytest -m stress -n 2 --dist load -s tests/engine/test_single_upsets.py
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.record.reader import Reader
from hil.scenario import WORKLOADS, Scenario
from hil.upsets.limits import AGENT_BITS
from hil.upsets.words import EFFECTS

IN_ONE_RUN = 50_000
MEMORY = ("state", "input", "output", "checkpoint")
OWN = ("agent", "check-bits")
NOISES = {"corrupt": 1, "drop": 1, "duplicate": 1, "truncate": 1}
RATES = [
    {"targets": MEMORY, "per_s": 22},
    {"targets": OWN, "per_s": 9},
    {"targets": "link", "per_s": 1, "noises": NOISES},
    {"targets": "cpu", "per_s": 0.5},
]
PATIENT = {"resyncs": 1, "restarts": 10**6, "resets": 2, "window_frames": 4}
"""Upsets follow each other closely: what was tried for one is not held against the next."""

BUDGET = range(84_096, 84_096 + 128, 32)
"""[bit] Its words in an agent's memory, on 64-bit processors."""

QUICK = {"lost_after_ms": 5000, "retry_ms": 20, "cpu_floor_ms": 10}


def shower(name: str, seed: int, upsets: int, board: str, out: Path) -> Counter[tuple[str, str]]:
    """About so many upsets in one run; how often each target had each effect."""
    out.mkdir()
    scenario = Scenario.model_validate(
        {
            "workload": name,
            "seed": seed,
            "frames": upsets * 5 // 4,
            "rig": {"scheme": "tmr", "board": board},
            "recovery": PATIENT,
            "timeouts": QUICK,
            "upsets": {"one_at_a_time": True, "rates": RATES},
        }
    )
    result = Loop(scenario, out).run()
    what = f"{name}, seed {seed}"
    assert result.outcome == "pass", what
    assert result.metrics["sdc_frames"] == result.metrics["unresolved"] == 0, what
    assert result.unexplained == 0 and result.availability == 1, what
    assert result.metrics["isolated"] == 0, what
    assert result.upsets.injected == result.upsets.verified, what
    reader = Reader(out)
    counts = "SELECT target, effect, outcome, state, count(*) FROM upsets GROUP BY 1, 2, 3, 4"
    found: Counter[tuple[str, str]] = Counter()
    for target, effect, outcome, state, count in map(tuple, reader.rows(counts)):
        if state == "injected":
            assert effect in EFFECTS, (what, target, effect)
            assert outcome in ("no_effect", "corrected", "recovered"), (what, target, outcome)
            found[target, effect] += count
    reader.close()
    shutil.rmtree(out)
    return found


def flood(
    total: int, names: tuple[str, ...], board: str, tmp_path: Path, *, first_seed: int = 0
) -> None:
    """So many upsets and more, over runs of these workloads in turn."""
    seen: Counter[tuple[str, str]] = Counter()
    seed = first_seed
    while sum(seen.values()) < total:
        left = total - sum(seen.values())
        name = names[seed % len(names)]
        seen += shower(name, seed, min(IN_ONE_RUN, left + 200), board, tmp_path / f"{seed}")
        seed += 1
    by_target: Counter[str] = Counter()
    for (target, _), count in seen.items():
        by_target[target] += count
    runs = seed - first_seed
    print(f"{sum(seen.values())} single upsets in {runs} runs: {dict(by_target)}; {dict(seen)}")  # noqa: T201
    assert by_target["agent"] + by_target["check-bits"] >= total // 10
    assert set(by_target) == {*MEMORY, *OWN, "link", "cpu"}
    # Nothing corrects a check bit but the code; in a copy that is replaced first it stays unseen.
    assert seen["check-bits", "detected"] > 0.9 * by_target["check-bits"]


def test_a_thousand_single_upsets_give_no_wrong_output(tmp_path: Path) -> None:
    flood(1000, ("attitude",), "inproc", tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_seven_thousand_single_upsets_give_no_wrong_output(tmp_path: Path) -> None:
    flood(6000, ("attitude",), "inproc", tmp_path)
    (tmp_path / "process").mkdir()
    flood(1000, ("attitude",), "process", tmp_path / "process")


def sweep(bits: range, out: Path) -> Counter[str]:
    """Each of these bits of the agents' memory once, on the nodes in turn; effects by how often."""
    events = [
        {"frame": 5 + i, "node": "abc"[i % 3], "target": "agent", "bit": bit, "tick": i % 7}
        for i, bit in enumerate(bits)
    ]
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 5 + len(events) * 5 // 4,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "recovery": PATIENT,
            "timeouts": QUICK,
            "upsets": {"one_at_a_time": True, "events": events, "allow_missed": len(events) // 50},
        }
    )
    out.mkdir()
    result = Loop(scenario, out).run()
    assert result.outcome == "pass" and result.availability == 1 and result.unexplained == 0
    assert result.metrics["sdc_frames"] == result.metrics["isolated"] == result.held_back == 0
    reader = Reader(out)
    effects: Counter[str] = Counter()
    for row in reader.rows("SELECT * FROM upsets"):
        if row["state"] == "injected":
            assert row["verified"] and row["space"] == AGENT_BITS and row["bit"] in bits
            assert row["before"][0] ^ row["after"][0] == 1 << row["bit"] % 8
            effects[row["effect"]] += 1
    reader.close()
    # Of the others the power was cut before they could be asked.
    assert sum(effects.values()) > 0.98 * len(events)
    return effects


def test_a_sample_of_all_bits_of_an_agent_gives_no_wrong_output(tmp_path: Path) -> None:
    effects = sweep(range(0, AGENT_BITS, 61), tmp_path / "run")
    assert effects["masked"] > 1000 and effects["reboot"] > 0


def test_a_damaged_budget_is_repaired_although_workers_are_restarted_without_end(
    tmp_path: Path,
) -> None:
    pattern = {"kind": "random_word", "width": 32, "value": 1}
    events = [
        {"frame": 5 + 40 * i, "node": "a", "target": "agent", "bit": bit, "pattern": pattern}
        for i, bit in enumerate(BUDGET)
    ]
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 5 + 40 * len(events),
            "rig": {"scheme": "tmr", "board": "inproc"},
            "recovery": PATIENT,
            "timeouts": QUICK,
            "upsets": {"events": events},
        }
    )
    result = Loop(scenario, tmp_path).run()
    assert result.outcome == "pass" and result.availability == 1
    reader = Reader(tmp_path)
    hung = [row["outcome"] for row in reader.rows("SELECT * FROM upsets WHERE effect='hang'")]
    repairs = [row["action"] for row in reader.rows("SELECT * FROM repairs WHERE cause='hung'")]
    reader.close()
    # The word that allows a step so many ticks, or the budget lies elsewhere by now.
    assert hung == ["recovered"]
    assert repairs == ["restart"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_single_bit_of_an_agent_gives_no_wrong_output(tmp_path: Path) -> None:
    effects: Counter[str] = Counter()
    for begin in range(0, AGENT_BITS, 10_000):
        bits = range(begin, min(begin + 10_000, AGENT_BITS))
        effects += sweep(bits, tmp_path / str(begin))
    print(dict(effects))  # noqa: T201
    assert {"masked", "reboot", "hang"} <= set(effects)


@pytest.mark.stress
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("half", [0, 1])
def test_a_million_single_upsets_give_no_wrong_output(half: int, tmp_path: Path) -> None:
    small = tuple(name for name in WORKLOADS if workload(name).state_len < 1024)
    flood(500_000, small, "inproc", tmp_path, first_seed=1000 * half)
