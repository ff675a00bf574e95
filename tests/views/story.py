"""Records of runs that never were, written by the real writer: a story, frame by frame.

Real times are made up too, so that a screen of them is the same every time."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from typing_extensions import Self

from hil.record.recorded_scenario import RecordedScenario
from hil.record.recorder_protocol import RepairAttempt
from hil.record.row_values import (
    RecordedNode,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
)
from hil.record.run_meta import RunMeta
from hil.record.sqlite_recorder import SqliteRecorder
from hil.redundancy.recovery import NodeState, Transition
from hil.redundancy.voting import HELD, Ballot, vote
from hil.rig.link import LinkStatistics
from hil.rig.node import DONE, EXCLUDED, SILENT, NodeResult
from hil.rig.resync import Damage
from hil.scenario import UpsetTarget
from hil.upsets.outcome import Anomaly
from hil.upsets.upset import Assessment, InjectionReport, Upset, UpsetPlan
from hil.upsets.words import NodeEffect
from hil.wire.messages import Health, Rail

STATE, OUTPUT = 0x5EED_5EED_5EED_5EED, 0x0DD5_0DD5_0DD5_0DD5
VALUE = bytes(range(48))


class TimelessRecorder(SqliteRecorder):
    """Real time is what the story says it is."""

    story_us = 0

    @property
    def wall_us(self) -> int:
        return self.story_us


class Story:
    """A run at 10 frames/s that is being told. `with` it; what was told is then committed."""

    def __init__(self, path: Path, nodes: int = 3, frames: int = 6000, **scenario: Any) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.names = [chr(ord("a") + i) for i in range(nodes)]
        scheme = {1: "simplex", 2: "dmr", 3: "tmr"}.get(nodes, f"{nodes}mr")
        content = {
            "name": "story",
            "workload": "infer",
            "seed": 7,
            "frames": frames,
            "frame_ms": 100.0,
            "pace": "realtime",
            "rig": {"scheme": scheme},
            "upsets": {"accel": 1.0},
            **scenario,
        }
        recorded = RecordedScenario.parse(json.dumps(content))
        meta = RunMeta(scenario=recorded, seed=7, outcome="running")
        recorder = TimelessRecorder.begin(path, meta)
        assert isinstance(recorder, TimelessRecorder)
        self.recorder = recorder
        for index, name in enumerate(self.names):
            port = f"/dev/ttyUSB{index}"
            node = RecordedNode(index, name, "serial", port, model="Raspberry Pi 4")
            self.recorder.node(node)
        rig = content["rig"]
        unvoted = rig.get("unvoted_output") if isinstance(rig, dict) else None
        self.fail_silent = unvoted in ("nothing", "hold")
        self.holds = unvoted == "hold"
        self.voted: bytes | None = None
        self.frame = 0
        self.out: set[str] = set()
        self.astray: set[str] = set()
        self.throttled: dict[str, int] = {}
        self.rails: dict[str, tuple[Rail, ...]] = {}
        self.steps = dict.fromkeys(self.names, 0)
        self.temperatures = {name: 48.0 + 2 * i for i, name in enumerate(self.names)}
        self.corrected = dict.fromkeys(self.names, 0)
        self._upsets = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.commit()
        self.recorder.close()

    def commit(self) -> None:
        self.recorder.commit()

    # --- frames -------------------------------------------------------------------------------

    def agree(self, frames: int = 1) -> Story:
        """Frames in which everybody who is in agrees."""
        for _ in range(frames):
            self._tell({})
        return self

    def differ(self, **outputs: int | str) -> Story:
        """A frame in which some nodes say something else: another number, or silent."""
        self._tell(outputs)
        return self

    def latent(self, node: str) -> Story:
        """A frame in which the output of a node is right, and its state is not."""
        self.astray = {node}
        self._tell({})
        self.astray = set()
        return self

    def _tell(self, differing: Mapping[str, int | str], golden: int = OUTPUT) -> None:
        self.recorder.story_us = self.frame * 100_000
        if self.frame % 10 == 0:
            self._healths()
        ballots, results = [], []
        for name in self.names:
            said = differing.get(name, 0)
            if name in self.out:
                ballots.append(Ballot(EXCLUDED))
                results.append(NodeResult(EXCLUDED))
            elif said == "silent":
                ballots.append(Ballot(SILENT))
                results.append(NodeResult(SILENT, reason="no answer for 3 s"))
            else:
                assert isinstance(said, int)
                own = bytes([VALUE[0] ^ said, *VALUE[1:]])
                state = STATE ^ said ^ (name in self.astray)
                ballots.append(Ballot(DONE, 0, OUTPUT ^ said, state))
                results.append(NodeResult(DONE, 0, OUTPUT ^ said, state, own, 14, 20))
                self.steps[name] += 1
        mask = sum(1 << i for i, name in enumerate(self.names) if name not in self.out)
        held = HELD if self.holds and self.voted else 0
        verdict = vote(self.frame, ballots, mask, golden, fail_silent=self.fail_silent, held=held)
        if differing or self.astray or not verdict.correct:
            agreed = next((r.output for r in results if r.output_digest == verdict.output), None)
            value = agreed if verdict.delivered else self.voted if verdict.held else None
            self.recorder.notable(verdict, self.frame * 100_000, (golden, STATE), value, [results])
        if verdict.delivered:
            self.voted = VALUE
        self.recorder.frame(verdict.record)
        self.frame += 1

    def wrong(self) -> Story:
        """A frame in which all agree on something that is not so."""
        self._tell({}, golden=OUTPUT ^ 0xFF)
        return self

    def _healths(self) -> None:
        for index, name in enumerate(self.names):
            if name in self.out:
                continue
            health = Health(
                uptime_us=self.frame * 100_000 + 10**6,
                cpu_temp_mc=int(self.temperatures[name] * 1000),
                clock_khz=1_500_000,
                throttled=self.throttled.get(name, 0),
                rss_kib=3072,
                free_mib=612,
                steps=self.steps[name],
                crashes=0,
                hangs=0,
                restarts=0,
                corrected=self.corrected[name],
                uncorrected=0,
                rx_bytes=0,
                rx_frames=0,
                rx_errors=0,
                tx_bytes=0,
                tx_frames=0,
                duplicates=0,
                rails=self.rails.get(name, ()),
            )
            trip = 900 + 50 * index + 200 * (self.frame // 10 % 5)
            self.recorder.health(self.frame, index, health, trip)
            sent = self.frame + 40
            self.recorder.link(self.frame, index, LinkStatistics(sent, sent * 80, sent, sent * 90))

    # --- what happens -------------------------------------------------------------------------

    def upset(self, node: str, target: str = "output", **more: Any) -> Story:
        """An upset in the frame that comes next."""
        self._upsets += 1
        plan = UpsetPlan(
            self.frame,
            node,
            cast(UpsetTarget, target),
            more.pop("kind", "bit"),
            "event",
            id=self._upsets,
            tick=14,
        )
        made: dict[str, Any] = {
            "state": "injected",
            "verified": True,
            "changed": True,
            "tick": 14,
            "bit": 3,
            "space": 384,
            "before": b"\0",
            "after": b"\x08",
        }
        shown: dict[str, Any] = {
            "effect": "sdc",
            "outcome": "corrected",
            "detected_frame": self.frame,
            "resolved_frame": self.frame,
        }
        for key, value in more.items():
            (shown if key in Assessment.__dataclass_fields__ else made)[key] = value
        self.recorder.upset(Upset(plan, InjectionReport(**made), Assessment(**shown)))
        return self

    def move(self, node: str, *states: str, cause: str = "dissent") -> Story:
        """Transitions in the frame that was last told; the first state is where it was."""
        for before, after in pairwise(states):
            self.recorder.story_us += 500
            frame, left, entered = max(0, self.frame - 1), NodeState(before), NodeState(after)
            self.recorder.transition(Transition(frame, node, left, entered, cause))
        if states[-1] == "isolated":
            self.out.add(node)
        else:
            self.out.discard(node)
        return self

    def repair(
        self,
        node: str,
        action: str,
        *,
        ok: bool = True,
        cause: str = "dissent",
        detail: str = "",
        us: int = 1800,
        damage: bool = False,
    ) -> Story:
        found = (Damage(256, b"\x10" + bytes(255), bytes(256), 1),) if damage else ()
        chunks = len(found)
        attempt = RepairAttempt(action, cause, ok, detail, chunks, 256 * chunks, us, found)
        self.recorder.repair(max(0, self.frame - 1), node, attempt)
        return self

    def outvoted(self, node: str) -> Story:
        """A frame in which one node is hit, outvoted and healed."""
        self.upset(node).differ(**{node: 1})
        self.move(node, "voting", "suspect", "resync")
        self.repair(node, "resync", damage=True)
        return self.move(node, "resync", "voting", cause="resync done")

    def isolate(self, node: str) -> Story:
        """A frame in which a node goes silent and is given up."""
        self.upset(node, "board", kind="power_loss", effect="crash", outcome="degraded")
        self.differ(**{node: "silent"})
        self.move(node, "voting", "suspect", "power_cycle", cause="silent")
        self.repair(node, "power_cycle", ok=False, cause="silent", detail="it has no power")
        return self.move(
            node, "power_cycle", "isolated", cause="power_cycle failed; nothing is left to try"
        )

    def anomaly(self, node: str) -> Story:
        self.recorder.anomaly(Anomaly(self.frame, node, NodeEffect.CRASH, "its agent said nothing"))
        return self

    def orbit(self, minutes: int = 160) -> Story:
        """An orbit of 95 minutes from the beginning on, known ahead."""
        rows = []
        for k in range(minutes * 2):
            angle = 2 * math.pi * k / 190
            lat, lon = 51.6 * math.sin(angle), (k * 1.8 + 200) % 360 - 180
            light = 1.0 if k % 190 < 120 else 0.0
            saa = -45 < lat < -10 and -80 < lon < 20
            rows.append(
                RecordedOrbit(
                    k * 30_000_000,
                    lat,
                    lon,
                    420.0,
                    light,
                    12.0,
                    500.0 if saa else 0.2,
                    int(saa),
                    "kiruna" if 40 <= k % 190 < 60 else "",
                )
            )
        self.recorder.orbit(rows)
        return self

    def plant(self, soc: float = 0.8, **temperatures: float) -> Story:
        """The plant as of now."""
        t_us = self.frame * 100_000
        temps = '{"panels": 61.5, "battery": 14.0}'
        self.recorder.plant(
            RecordedPlant(t_us, self.frame, 1.0, 0.2, 15.8, 92.0, 78.0, 14.0, soc, 0, temps),
            [
                RecordedPlantNode(
                    t_us,
                    name,
                    "full",
                    1.0,
                    5.5,
                    temperatures.get(name, 55.0),
                    0,
                    10.0,
                    '{"seu": 2.5, "sefi": 0.1}',
                )
                for name in self.names
            ],
        )
        return self

    def end(self, outcome: str = "pass", *, met: bool = True) -> Story:
        """The run is over."""
        expectation = {
            "metric": "sdc_escaped",
            "wanted": "== 0",
            "measured": 0 if met else 2,
            "ok": met,
        }
        result = {"outcome": outcome, "expectations": [expectation]}
        self.recorder.meta("result", json.dumps(result))
        self.recorder.meta("outcome", outcome)
        return self


def freeze_pulse(path: Path, *, unix_us: int, pid: int) -> None:
    """Let the writer have been heard of at this moment."""
    db = sqlite3.connect(path)
    db.execute("UPDATE pulse SET unix_us = ?, pid = ?", (unix_us, pid))
    db.commit()
    db.close()
