"""The picture of each scheme on the overview, of runs with faults at known places: what each part
does then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.record.live import LiveRecord
from hil.scenario import Scenario
from hil.views.screen.model.decision import decision
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.pages.decision import decision_page
from hil.views.screen.pages.overview.page import overview
from hil.views.screen.pages.style import Marks

LAST = workload("attitude").ticks
FRAMES = 30
NO_REPAIR = dict.fromkeys(("rollbacks", "resyncs", "restarts", "resets", "power_cycles"), 0)
ORBIT = {
    "epoch_utc": "2026-03-20T00:00:00Z",
    "altitude_km": 500.0,
    "inclination_deg": 51.64,
    "mean_anomaly_deg": 175.0,
    "raan_deg": 305.0,
}


def wrong(frame: int, node: str, bit: int = 60) -> dict[str, Any]:
    return {"frame": frame, "node": node, "target": "output", "tick": LAST, "bit": bit}


def dies(frame: int, node: str) -> dict[str, Any]:
    return {"frame": frame, "node": node, "target": "board", "action": "power_loss"}


def altered(frame: int, node: str, to: str) -> dict[str, Any]:
    return {"frame": frame, "node": node, "target": "link", "noise": "alter", "bit": 62, "to": [to]}


def recorded(
    path: Path, rig: dict[str, Any], events: list[dict[str, Any]], **data: Any
) -> LiveRecord:
    base = {"workload": "attitude", "frames": FRAMES, "upsets": {"events": events}}
    scenario = {"rig": {"board": "inproc", **rig}, "expect": "none", **base, **data}
    Loop(Scenario.model_validate(scenario), path).run()
    source = LiveRecord(path)
    source.poll()
    return source


def page(source: LiveRecord, frame: int, size: tuple[int, int], *, ascii_only: bool = False) -> str:
    reader = SceneReader(source)
    while not reader.history.read_on(1.0):
        pass
    width, height = size
    lines = overview(reader.scene(frame), [], width, height - 2, Marks(ascii_only=ascii_only))
    text = "\n".join(line.plain.rstrip() for line in lines)
    assert max(map(len, text.split("\n"))) <= width
    assert len(lines) <= height - 2
    return text


CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[int, list[str]]]] = {
    "triple_pairs": (
        {"scheme": "triple_pairs"},
        [wrong(10, "b")],
        {
            5: ["✔ a+b votes   ✔ c+d votes   ✔ e+f votes", "2 more pairs may fall silent"],
            10: ["▲ a+b silent: they differ   ✔ c+d votes   ✔ e+f votes", "1 more pair may fall"],
        },
    ),
    "priority_pairs": (
        {"scheme": "priority_pairs"},
        [wrong(10, "b"), dies(20, "c")],
        {
            5: ["✔ a+b commands   ✔ c+d ready   ✔ e+f ready   ✔ g+h ready"],
            10: ["▲ a+b silent: they differ   ✔ c+d commands   ✔ e+f ready   ✔ g+h ready"],
            20: ["✔ a+b commands   ▲ c+d silent:", "2 more pairs may fall silent"],
        },
    ),
    "spares": (
        {"scheme": "tmr", "hot_spares": 1, "cold_spares": 1},
        [wrong(10, "b")],
        {
            5: ["✔ a b c decide   · d hot: compute along   · e cold: off", "2 spares left"],
            25: ["✔ a c d decide   · e hot: compute along   ✘ b isolated", "d stands in for b"],
        },
    ),
    "triple_execution": (
        {"scheme": "triple_execution"},
        [wrong(10, "a")],
        {
            5: ["✔ execution 1 agrees   ✔ 2 agrees   ✔ 3 agrees", "all have agreed in every frame"],
            10: ["▲ execution 1 differs   ✔ 2 agrees   ✔ 3 agrees", "in this frame; the majority"],
            20: ["▲ execution 1 differs   ✔ 2 agrees   ✔ 3 agrees", "in frame 10, the last one"],
        },
    ),
    "steps": (
        {"scheme": "tmr"},
        [wrong(10, "b"), dies(20, "c")],
        {12: ["TMR ─► [DMR] ─► SIMPLEX"], 25: ["TMR ─► DMR ─► [SIMPLEX]", "delivered unvoted"]},
    ),
    "rotation": (
        {"scheme": "rotating_tmr"},
        [],
        {5: ["✔ a b decide   · c rests, off"]},
    ),
    "primary": (
        {"scheme": "primary_monitors"},
        [wrong(10, "a")],
        {
            5: ["✔ a commands   ✔ b monitors   ✔ c monitors", "voted out by 2 monitors"],
            15: ["✔ b commands   ✔ c monitors   ✘ a isolated"],
        },
    ),
    "plans": (
        {"scheme": "plan_pair", "unvoted_frames": 5},
        [{"frame": 10, "node": "a", "target": "state", "bit": 77}],
        {
            5: ["[PLANS AGREE] ─► THE LAST PLAN, 5 frames at most ─► SAFE: no command"],
            12: ["PLANS AGREE ─► [THE LAST PLAN, 5 frames at most] ─► SAFE"],
            25: ["5 frames at most ─► [SAFE: no command]"],
        },
    ),
    "clusters": (
        {"scheme": "tmr", "voter": {"kind": "mid_value", "tolerance": 1.0e-9}},
        [wrong(10, "a"), wrong(10, "b", 316)],
        {
            10: ["clusters of quaternion {b c} | {a} off by", "gyro_bias {a c} | {b} off by"],
            20: ["[TMR]", "frame 10: clusters of quaternion {b c} | {a}"],
        },
    ),
    "voters": (
        {"scheme": "4mr", "voter_per_node": True},
        [altered(10, "a", "d")],
        {10: ["the voter of d had another value from a"], 20: ["frame 10: the voter of d had"]},
    ),
}


REPAIR: dict[str, dict[str, int]] = {
    "triple_pairs": {},
    "priority_pairs": {},
    "clusters": {"rollbacks": 0},
}


@pytest.mark.parametrize("name", CASES)
def test_a_scheme_shows_its_parts_and_what_they_do(name: str, tmp_path: Path) -> None:
    rig, events, wanted = CASES[name]
    source = recorded(tmp_path, rig, events, recovery=REPAIR.get(name, NO_REPAIR))
    for frame, texts in wanted.items():
        for size in ((80, 24), (120, 40)):
            shown = page(source, frame, size)
            assert [text for text in texts if text not in shown] == [], shown
    assert page(source, FRAMES - 1, (80, 24), ascii_only=True).isascii()
    assert " SCHEME " in page(source, 5, (120, 40))


def test_a_scheme_that_follows_the_orbit_says_which_is_in_force_and_why(tmp_path: Path) -> None:
    scheme = {"in_anomaly": "tmr", "else": "dmr", "anomaly_flux": 200.0, "dwell": "30s"}
    plant = {"orbit": ORBIT, "radiation": {"data": "stand-in"}, "step_s": 3.0}
    source = recorded(
        tmp_path, {"scheme": scheme}, [], frames=200, frame_ms=3000, plant=plant, upsets={}
    )
    calm = page(source, 100, (120, 40))
    assert "✔ DMR now   · TMR in anomaly" in calm
    assert "c is off" in calm
    high = page(source, 190, (80, 24))
    assert "· DMR else   ✔ TMR now, in anomaly" in high
    assert "c was woken in frame" in high
    assert ": in the anomaly" in high


def test_the_page_of_a_frame_has_what_each_voter_received_and_decided(tmp_path: Path) -> None:
    rig = {"scheme": "4mr", "voter_per_node": True}
    source = recorded(tmp_path, rig, [altered(10, "a", "d")], recovery=NO_REPAIR)
    lines = [line.plain for line in decision_page(decision(source, 10), 80, Marks())]
    at = next(k for k, line in enumerate(lines) if line.startswith(" VOTERS"))
    assert lines[at].endswith("1 of 4 voters split")
    rows = {row.split()[1]: row.split()[2:] for row in lines[at + 2 : at + 6]}
    assert {name: cells[:4] for name, cells in rows.items()} == {
        **dict.fromkeys("abc", ["same"] * 4),
        "d": ["OTHER", "same", "same", "same"],
    }
    assert "a dissents" in " ".join(rows["d"])
    assert max(map(len, lines)) <= 80


def test_the_page_of_a_frame_says_which_pairs_decide_and_which_are_silent(tmp_path: Path) -> None:
    hits = [
        {"frame": 10, "node": node, "target": "output", "bit": bit, "tick": 6}
        for node, bit in (("c", 3), ("f", 5))
    ]
    source = recorded(tmp_path, {"scheme": "priority_pairs"}, hits)
    text = " ".join(line.plain for line in decision_page(decision(source, 10), 120, Marks()))
    assert "a+b decides; g+h agrees; c+d and e+f are silent" in text
