"""A snapshot of every part is recorded and comes back unchanged; another version is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hil.engine import loop as loop_module
from hil.engine import resume, snapshots
from hil.engine.loop import Loop
from hil.engine.metrics import Metrics
from hil.engine.outside_influence import OutsideSnapshot
from hil.engine.plant_coupling import NodePowerSnapshot, PlantSnapshot
from hil.engine.snapshot_json import snapshot_in, text_of
from hil.engine.snapshot_model import DormantUpset, EngineSnapshot
from hil.engine.verdict import VerdictSnapshot
from hil.errors import RecordError
from hil.kernel import digest64
from hil.plant.energy_totals import Totals
from hil.plant.flight import FlightSnapshot
from hil.plant.moment import Draw
from hil.plant.power_block import PowerSnapshot
from hil.redundancy.checkpoints import HostCopy
from hil.redundancy.field_vote import FieldMemory
from hil.redundancy.hold import HeldOutput, HoldSnapshot
from hil.redundancy.orbit_scheme import OrbitSchemeSnapshot
from hil.redundancy.primary import PrimarySnapshot
from hil.redundancy.recovery import RUNGS, NodeRecoverySnapshot, NodeState
from hil.redundancy.voting import Ballot, VerdictKind, vote
from hil.rig.node import PowerCut
from hil.scenario import Scenario
from hil.wire.messages import Arm, Sync
from tests.between_frames import between_frames

ARM = Arm(
    id=7,
    frame=41,
    target="output",
    kind="stuck",
    tick=3,
    steps=9,
    us=12,
    width=2,
    bit=5,
    value=1,
    hold_frames=4,
    exact=True,
)
TRIED = {rung: (30 + i, 35 + i) for i, rung in enumerate(RUNGS)}
PLANT = PlantSnapshot(
    FlightSnapshot(
        done=12,
        power=PowerSnapshot(b"\x01\x02\xff", (293.15, 0.1 + 0.2)),
        draws={"a": Draw(on=False, activity=0.3, factor=1.5, measured_w=4.2, measured_c=-7.25)},
        totals=Totals(1.25, 1e-9, 3.5, 2e-17, 0.1, 61.0),
    ),
    sheds=1,
    latch_ups=2,
    too_hot=3,
    row_at_us=4_000_000,
    nodes={"a": NodePowerSnapshot("suspended by the plant", True, 5_000_000, True)},
)
SNAPSHOT = EngineSnapshot(
    numbered=9,
    ordered=2,
    held=b"\x00held",
    output=b"\x00output",
    checkpoints={"a": (Sync(20, 2**64 - 1), Sync(40, 1)), "b": ()},
    copy=HostCopy(16, b"copy", digest64(b"copy")),
    verdicts=VerdictSnapshot(
        50,
        frozenset({"a", "b"}),
        4,
        49,
        3,
        HoldSnapshot(HeldOutput(39, 2**63, True, b"\xffheld"), 2),
        (FieldMemory(b"\xfelast", 2, (3, 65535)), FieldMemory()),
        PrimarySnapshot(2, 1, 5),
    ),
    outside=OutsideSnapshot(
        (11, "node a in frame 11: no answer"),
        5,
        {"a": 11, "b": 12},
        {"a": "killed by signal 9"},
        {"a": True, "b": False, "c": None},
    ),
    lasting={"a": (ARM,), "b": ()},
    upsets=8,
    dormant=(DormantUpset(3), DormantUpset(4, hold_frames=6, permanent=True, boot=77)),
    contaminated=("b",),
    metrics=Metrics(
        **{f.name: i for i, f in enumerate(dataclasses.fields(Metrics), 1) if f.type == "int"},
        voting=Counter({3: 30, 2: 10}),
        verdicts=Counter({VerdictKind.UNANIMOUS: 30, VerdictKind.MAJORITY: 10}),
    ),
    recovery={
        "a": NodeRecoverySnapshot(NodeState.REINTEGRATING, 2, TRIED),
        "b": NodeRecoverySnapshot(NodeState.ISOLATED, 0, TRIED, held=True, shed=True, out=True),
    },
    power_cuts={"a": frozenset(PowerCut), "b": frozenset()},
    returning=((60, "b"),),
    permanent={"a": (), "b": (ARM, dataclasses.replace(ARM, id=8, us=None))},
    agreed=vote(40, [Ballot(0, 0, 5, 6), Ballot(0, 0, 5, 6), Ballot(0, 0, 7, 8)], 0b111, 5),
    plant=PLANT,
    unstarted=("b",),
    follows=OrbitSchemeSnapshot(((2, 90),), ((70, 3), (80, 1)), "nodes count errors", 2),
)
BARE = dataclasses.replace(
    SNAPSHOT,
    copy=None,
    verdicts=VerdictSnapshot(0, frozenset(), 0, -1, 0, HoldSnapshot(None, 0)),
    outside=OutsideSnapshot(None, 0, {}, {}, {}),
    agreed=None,
    plant=None,
    follows=None,
)
PRESCRIBED = dataclasses.replace(
    SNAPSHOT,
    plant=dataclasses.replace(PLANT, flight=dataclasses.replace(PLANT.flight, power=None)),
)


def read(data: Mapping[str, Any]) -> EngineSnapshot:
    return snapshot_in(json.dumps(data), path=Path("run.db"), hil_version="0.1.2")


def stored(snapshot: EngineSnapshot) -> dict[str, Any]:
    """What a record gives back."""
    data: dict[str, Any] = json.loads(text_of(snapshot))
    return data


def values(value: object) -> Iterator[object]:
    """A value, and all dataclasses within it."""
    if dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from values(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from values(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from values(inner)


@pytest.mark.parametrize("snapshot", [SNAPSHOT, BARE, PRESCRIBED], ids=["all", "bare", "no-power"])
def test_a_snapshot_of_every_part_goes_there_and_back_unchanged(snapshot: EngineSnapshot) -> None:
    assert read(stored(snapshot)) == snapshot
    assert stored(read(stored(snapshot))) == stored(snapshot)


def test_the_example_tells_every_field_from_its_default() -> None:
    """Otherwise a new field that is not stored would come back unchanged, too."""
    usual: dict[tuple[type, str], bool] = {}
    for value in values(SNAPSHOT):
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            key = (type(value), field.name)
            usual[key] = usual.get(key, True) and getattr(value, field.name) == default
    assert [key for key, always in usual.items() if always] == []


def test_parts_are_frozen() -> None:
    """But for two sets of counters, of which a snapshot has copies."""
    mutable = {type(v) for v in values(SNAPSHOT) if not type(v).__dataclass_params__.frozen}  # type: ignore[attr-defined]
    assert mutable <= {Metrics, Totals}


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "without a version"),
        (2, "of version 2"),
        (4, "of version 4"),
        ("3", "of version '3'"),
    ],
)
def test_a_snapshot_of_another_version_is_refused_in_one_sentence(
    version: object, words: str
) -> None:
    with pytest.raises(RecordError) as refused:
        read({**stored(SNAPSHOT), "version": version})
    sentence, remedy = str(refused.value).splitlines()
    assert sentence == (
        f"run.db holds a snapshot {words}, and this hil resumes from version 3 only"
    )
    assert "0.1.2" in remedy


def test_what_later_hils_wrote_in_addition_may_be_missing() -> None:
    data = stored(SNAPSHOT)
    del (
        data["judge"]["tried"],
        data["judge"]["failures"],
        data["judge"]["seen"],
        data["judge"]["primary"],
        data["outside"]["fixed"],
        data["outside"]["count"],
        data["metrics"]["held_frames"],
    )
    for node in data["recovery"].values():
        del node["held"], node["shed"], node["out"]
    snapshot = read(data)
    assert (snapshot.verdicts.rollback_tried, snapshot.outside.fixed) == (frozenset(), {})
    assert snapshot.outside.count == 2, "all signs were listed"
    assert snapshot.metrics.held_frames == snapshot.verdicts.rollback_failures == 0
    assert snapshot.verdicts.rollback_seen == -1
    assert snapshot.verdicts.primary == PrimarySnapshot(0, 0, 0)
    assert not any(n.held or n.shed or n.out for n in snapshot.recovery.values())
    assert snapshot.verdicts.hold == SNAPSHOT.verdicts.hold


def test_the_stored_layout_is_that_of_version_3() -> None:
    """A record that begins with one hil is resumed with the next: a change needs a new version."""
    assert stored(SNAPSHOT) == {
        "version": 3,
        "numbered": 9,
        "ordered": 2,
        "held": "0068656c64",
        "output": "006f7574707574",
        "checkpoints": {"a": [[20, 2**64 - 1], [40, 1]], "b": []},
        "copy": [16, "636f7079"],
        "judge": {
            "not_before": 50,
            "tried": ["a", "b"],
            "failures": 4,
            "seen": 49,
            "frames_alone": 3,
            "hold": {"last": [39, 2**63, True, "ff68656c64"], "frames_unvoted": 2},
            "voter": [["fe6c617374", 2, [3, 65535]], [None, 0, []]],
            "primary": [2, 1, 5],
        },
        "outside": {
            "first": [11, "node a in frame 11: no answer"],
            "count": 5,
            "frames": [[11, "a"], [12, "b"]],
            "ends": {"a": ["killed by signal 9"]},
            "fixed": {"a": True, "b": False, "c": None},
        },
        "lasting": {"a": [dataclasses.asdict(ARM)], "b": []},
        "upsets": 8,
        "dormant": [3, [4, 6, True, 77]],
        "contaminated": ["b"],
        "metrics": {
            **{f.name: getattr(SNAPSHOT.metrics, f.name) for f in dataclasses.fields(Metrics)},
            "voting": {"3": 30, "2": 10},
            "verdicts": {"UNANIMOUS": 30, "MAJORITY": 10},
        },
        "recovery": {
            name: {
                "state": state,
                "agreed": agreed,
                "held": out,
                "shed": out,
                "out": out,
                "tried": {
                    "resync": [30, 35],
                    "restart": [31, 36],
                    "reset": [32, 37],
                    "power_cycle": [33, 38],
                },
            }
            for name, state, agreed, out in (
                ("a", "reintegrating", 2, False),
                ("b", "isolated", 0, True),
            )
        },
        "power_cuts": {"a": ["plant", "stand_by", "upset"], "b": []},
        "returning": [[60, "b"]],
        "permanent": {
            "a": [],
            "b": [dataclasses.asdict(ARM), {**dataclasses.asdict(ARM), "id": 8, "us": None}],
        },
        "agreed": SNAPSHOT.agreed.record.hex() if SNAPSHOT.agreed else "",
        "plant": {
            "flight": {
                "done": 12,
                "state": "0102ff",
                "temperature_k": [293.15, 0.1 + 0.2],
                "draws": {
                    "a": {
                        "on": False,
                        "activity": 0.3,
                        "factor": 1.5,
                        "measured_w": 4.2,
                        "measured_c": -7.25,
                    }
                },
                "totals": dataclasses.asdict(PLANT.flight.totals),
            },
            "counts": {"sheds": 1, "latch_ups": 2, "too_hot": 3},
            "row_at_us": 4_000_000,
            "nodes": {
                "a": {
                    "down": "suspended by the plant",
                    "suspended": True,
                    "until_us": 5_000_000,
                    "hot": True,
                }
            },
        },
        "unstarted": ["b"],
        "follows": {
            "until_us": [[2, 90]],
            "errors": [[70, 3], [80, 1]],
            "reason": "nodes count errors",
            "pending": 2,
        },
    }


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("judge", {}),
        ("held", "xyz"),
        ("recovery", []),
        ("recovery", {"a": {"state": "asleep", "agreed": 0, "tried": {}}}),
        ("metrics", {"voting": {}, "verdicts": {}, "of_tomorrow": 1}),
        ("agreed", "00"),
        ("numbered", None),
    ],
)
def test_a_damaged_snapshot_is_refused(part: str, content: object) -> None:
    data = {**stored(SNAPSHOT), part: content}
    if content is None:
        del data[part]
    with pytest.raises(RecordError, match=r"^run\.db holds a damaged snapshot: "):
        read(data)


# --- in a run -----------------------------------------------------------------------------------


def aborted_run(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[EngineSnapshot]:
    """A run that ends before its last frame; returns the snapshots that were taken in it."""
    taken: list[EngineSnapshot] = []

    def text_and_kept(snapshot: EngineSnapshot) -> str:
        taken.append(snapshot)
        return text_of(snapshot)

    monkeypatch.setattr(loop_module, "_SNAPSHOT_US", 0)
    monkeypatch.setattr(snapshots, "text_of", text_and_kept)
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 90,
            "rig": {"scheme": "tmr", "board": "inproc"},
            "upsets": {
                "events": [
                    {"frame": 20, "node": "b", "target": "board", "returns_after_frames": 30},
                    {
                        "frame": 40,
                        "node": "a",
                        "target": "output",
                        "bit": 5,
                        "pattern": "stuck",
                        "permanent": True,
                    },
                ],
            },
        }
    )
    out.mkdir()
    loop = Loop(scenario, out, batch=False, **between_frames(lambda: loop.next_frame == 60))
    assert loop.run().outcome == "aborted"
    return taken


def sql(path: Path, statement: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        return db.execute(statement).fetchall()


def test_a_record_gives_back_the_snapshot_that_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = aborted_run(tmp_path / "run", monkeypatch)
    assert len(taken) > 10 and all(read(stored(snapshot)) == snapshot for snapshot in taken)
    snapshot = resume.read_snapshot(tmp_path / "run")
    assert snapshot is not None and snapshot.engine == taken[-1]


def test_a_run_with_a_snapshot_of_another_version_is_not_resumed_and_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    aborted_run(out, monkeypatch)
    path = out / "run.db"
    sql(path, "UPDATE snapshot SET engine = json_set(engine, '$.version', 99)")
    frames = sql(path, "SELECT first_frame, count FROM blocks")
    scenario, folder = resume.open_run(out)
    with pytest.raises(RecordError, match=r"run\.db holds a snapshot of version 99, and this hil"):
        Loop(scenario, folder, resume_run=True).run()
    assert sql(path, "SELECT first_frame, count FROM blocks") == frames != []


def test_a_word_of_an_upset_that_there_is_not_is_a_damaged_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    taken = aborted_run(out, monkeypatch)
    (stuck,) = taken[-1].dormant
    for table in ("upsets", "upsets_at_snapshot"):
        sql(out / "run.db", f"UPDATE {table} SET outcome='zap' WHERE id={stuck.id}")
    with pytest.raises(RecordError, match=r"damaged snapshot: ValueError: 'zap'"):
        resume.read_snapshot(out)
