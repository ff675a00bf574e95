"""Curves of what nodes compute, on the screen: the loss of a training run."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.analysis.training_curves import golden_steps
from hil.engine.loop import Loop
from hil.record.live import LiveRecord
from hil.scenario import Overrides, Scenario, UpsetEventConfig, UpsetTarget, load_scenario
from hil.scenario.upsets import UpsetsConfig
from hil.views.screen.model.output_curves import OutputCurves
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View

FRAMES, HIT = 240, 120


def scenario(workload: str = "train") -> Scenario:
    """Three nodes; a high bit of a weight of node b is hit."""
    loaded = load_scenario("train-upsets", Overrides(board="inproc", frames=FRAMES))
    bit = 8 * (280 + 4 * 1045) + 30 if workload == "train" else 100
    hit = UpsetEventConfig(frame=HIT, node="b", target=UpsetTarget.STATE, tick=0, bit=bit)
    update = {"workload": workload, "upsets": UpsetsConfig(events=(hit,)), "expect": "none"}
    return loaded.model_copy(update=update)


def opened(folder: Path, given: Scenario) -> LiveRecord:
    Loop(given, folder).run()
    source = LiveRecord(folder)
    source.poll()
    return source


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> LiveRecord:
    return opened(tmp_path_factory.mktemp("run"), scenario())


def test_a_loss_curve_is_the_fault_free_one_where_nodes_agree(record: LiveRecord) -> None:
    golden = [step.loss for step in golden_steps("train", 5, FRAMES)]
    curves = OutputCurves(record)
    assert curves.of(0, 0, FRAMES - 1, 10) == ()  # nothing is known yet
    assert curves.advance(FRAMES - 1) == FRAMES
    (a,), (b,) = (curves.of(node, -1, FRAMES - 1, FRAMES) for node in (0, 1))
    assert (a.name, a.unit) == ("loss", "nat")
    assert list(a.values) == golden
    assert [k for k in range(FRAMES) if b.values[k] != golden[k]] == [HIT]
    assert (b.values[HIT] or 0) > golden[HIT] + 1


def test_a_curve_has_as_many_points_as_are_asked_for(record: LiveRecord) -> None:
    golden = [step.loss for step in golden_steps("train", 5, FRAMES)]
    curves = OutputCurves(record)
    curves.advance(FRAMES - 1)
    (curve,) = curves.of(2, 100, 200, 4)
    assert curve.values == tuple(golden[frame] for frame in (125, 150, 175, 200))


def test_the_fault_free_run_is_computed_piece_by_piece(
    record: LiveRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.views.screen.model.output_curves._FRAMES_AT_ONCE", 100)
    curves = OutputCurves(record)
    assert [curves.advance(FRAMES - 1) for _ in range(4)] == [100, 200, 240, 240]
    assert curves.advance(50) == 240


def test_workloads_without_curves_have_none(tmp_path: Path) -> None:
    curves = OutputCurves(opened(tmp_path, scenario("sha256")))
    assert curves.advance(FRAMES - 1) == 0
    assert curves.of(0, 0, FRAMES - 1, 10) == ()


def test_the_node_page_has_the_loss(record: LiveRecord) -> None:
    presenter = Presenter(record.run, Marks(), Player(), lambda: 1e9)
    presenter.view, presenter.node = View.NODE, 1
    presenter.refresh(120, 40)
    presenter.page()
    line = next(text.plain for text in presenter.page() if "loss" in text.plain)
    last = golden_steps("train", 5, FRAMES)[-1].loss
    assert line.split()[:3] == ["loss", f"{last:.4g}", "nat"]
    assert set(line) & set("▁▂▃▄▅▆▇█")
