"""The Python interface, used as its users do: inproc boards, real records."""

import ast
import inspect
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hil
from hil import api
from hil.cli.campaign import campaign
from hil.engine.observers import FramesDone
from hil.errors import ConfigError, RecordError, SetupError, UsageError
from hil.record.reader import Reader
from hil.report.evidence.evidence_check import check_evidence
from hil.report.evidence.evidence_file import read_evidence
from tests.analysis.small_campaigns import small_campaign

TEXT = """\
schema: 1
name: small
workload: sha256
frames: 60
rig: {scheme: tmr, board: inproc}
upsets:
  events:
    - {frame: 20, node: b, target: state, bit: 5}
    - {frame: 40, node: c, target: state, bit: 9}
"""


def small(folder: Path, **more: object) -> api.Run:
    return hil.run(hil.parse_scenario(TEXT, file="small.yaml"), out=folder / "run", **more)  # type: ignore[arg-type]


def test_a_run_is_what_hil_run_makes_of_it(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TEXT, encoding="utf-8")
    run = hil.run(tmp_path / "small.yaml", out=tmp_path / "run", seed=3)
    command = ["run", "small.yaml", "--out", "other", "--seed", "3", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "hil", *command], cwd=tmp_path, capture_output=True, check=True
    )
    theirs = json.loads(done.stdout)
    assert (run.outcome, run.digest) == (theirs["outcome"], theirs["run_digest"])
    assert run.passed and run.nodes == ("a", "b", "c")
    assert run.availability == theirs["availability"] == 1.0
    assert run.result.upsets.injected == 2
    assert run.verify().ok


def test_the_first_trouble_is_the_first_frame_that_shows_it(tmp_path: Path) -> None:
    run = small(tmp_path)
    seen = run.first_trouble("recoveries")
    assert seen is not None and (seen.frame, seen.text.partition(" of ")[2][:1]) == (20, "b")
    assert run.first_trouble("sdc_escaped") is None


def test_a_scenario_is_loaded_with_the_options_of_a_run_without_one() -> None:
    loaded = hil.load_for_run("nominal", frames=7, boards="inproc", scheme="dmr")
    assert (loaded.frame_count, len(loaded.rig.nodes)) == (7, 2)
    with pytest.raises(ConfigError, match="frames"):
        hil.load_for_run("nominal", frames=0)


def test_frames_are_the_verdicts_of_the_record(tmp_path: Path) -> None:
    run = small(tmp_path)
    frames = run.frames
    reader = Reader(tmp_path / "run")
    verdicts = list(reader.verdicts())
    times = [reader.t_us(v.frame) for v in verdicts]
    reader.close()
    assert frames.rows == len(verdicts) == 60
    assert frames["frame"].tolist() == [v.frame for v in verdicts]
    assert frames["t_us"].tolist() == times
    assert frames["verdict"].tolist() == [v.kind.word for v in verdicts]
    assert frames["dissent"].tolist() == [v.dissent for v in verdicts]
    assert frames["output_digest"].tolist() == [v.output for v in verdicts]
    assert frames["correct"].tolist() == [v.correct for v in verdicts]
    assert frames["dissent"][20] | frames["latent"][20] == 0b010
    ballots = run.ballots
    assert ballots.rows == 180
    b = ballots["node"] == "b"
    assert (ballots["state_digest"][b] != frames["state_digest"]).nonzero()[0].tolist() == [20]


def test_skipped_frames_are_no_rows_and_time_passes_in_them(tmp_path: Path) -> None:
    run = hil.run("leo-iss-day", duration="30m", boards="inproc", out=tmp_path / "run")
    frames, result = run.frames, run.result
    assert result.skipped > 0 and frames.rows == result.frames
    assert frames["t_us"][-1] <= 1800e6 and np.all(np.diff(frames["t_us"]) > 0)
    plant = run.plant
    assert plant.rows and 0.0 <= plant["soc"].min() <= plant["soc"].max() <= 1.0
    assert set(run.table("plant_nodes")["node"]) == {"a", "b", "c"}


def test_upsets_have_effects_and_outcomes(tmp_path: Path) -> None:
    upsets = small(tmp_path).upsets
    assert upsets["node"].tolist() == ["b", "c"]
    assert set(upsets["outcome"]) <= {"corrected", "recovered"}
    assert upsets["bit"].dtype == np.int64 and upsets["before"].dtype == object


def test_a_table_is_shown_in_notebooks(tmp_path: Path) -> None:
    run = small(tmp_path)
    assert "the first 10 of 60 rows" in run.frames._repr_html_()
    assert "<td>pass</td>" in run._repr_html_() and "<script" not in run._repr_html_()
    hostile = api.ColumnTable("x", {"<b>": np.array(["<script>"])})
    assert "<script>" not in hostile._repr_html_() and "&lt;b&gt;" in hostile._repr_html_()


def test_data_frames_where_they_are_installed(tmp_path: Path) -> None:
    frames = small(tmp_path).frames
    for name, make in (("pandas", frames.to_pandas), ("polars", frames.to_polars)):
        try:
            __import__(name)
        except ImportError:
            with pytest.raises(SetupError, match=f"{name} is not installed"):
                make()
        else:
            assert len(make()) == 60


def test_observers_follow_a_run_and_stop_ends_it(tmp_path: Path) -> None:
    class Counter(hil.RunObserver):
        frames = 0

        def on_frame(self, done: FramesDone) -> None:
            self.frames += done.computed

    counter = Counter()
    run = small(tmp_path, observers=[counter], stop=lambda: counter.frames >= 20)
    assert run.outcome == "aborted"
    assert 20 <= counter.frames < 60 and run.frames.rows == counter.frames


def test_runs_may_go_on_in_several_threads(tmp_path: Path) -> None:
    runs: dict[int, api.Run] = {}

    def work(number: int) -> None:
        runs[number] = small(tmp_path / str(number))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.digest for run in runs.values()}) == 1 and len(runs) == 3


def test_nothing_is_printed_and_no_signal_is_taken(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TEXT, encoding="utf-8")
    code = (
        "import signal, hil\n"
        "before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]\n"
        "hil.run('small.yaml', out='run')\n"
        "after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]\n"
        "assert before == after\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, hil; sys.exit('numpy' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(hil.__all__) | {"campaign"} == set(api.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        hil.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_a_type_checker_knows_what_the_package_has() -> None:
    stub = ast.parse(Path(hil.__file__).with_suffix(".pyi").read_text())
    imported = {
        name.name for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    assert imported == set(hil.__all__)


def test_a_recorded_run_is_opened(tmp_path: Path) -> None:
    digest = small(tmp_path).digest
    assert hil.open_run(tmp_path / "run").digest == digest
    with pytest.raises(RecordError, match="there is no record"):
        hil.open_run(tmp_path)


def test_bad_words_are_refused_before_anything_runs(tmp_path: Path) -> None:
    scenario = hil.parse_scenario(TEXT, file="small.yaml")
    with pytest.raises(TypeError, match="no option 'sed'"):
        hil.run(scenario, sed=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="takes no options"):
        hil.run(scenario, seed=3)
    with pytest.raises(ConfigError):
        hil.parse_scenario("schema: 1\nworkload: none\n")
    with pytest.raises(UsageError, match="no table 'x'"):
        small(tmp_path).table("x")
    with pytest.raises(KeyError, match="frames has no column 'x'"):
        hil.open_run(tmp_path / "run").frames["x"]
    with pytest.raises(UsageError, match="already holds the record"):
        small(tmp_path)


def test_a_table_has_a_length_and_nobody_changes_it(tmp_path: Path) -> None:
    frames = small(tmp_path).frames
    assert len(frames) == frames.rows == 60
    with pytest.raises(ValueError, match="read-only"):
        frames["frame"][0] = 7
    own = np.arange(3)
    assert len(api.ColumnTable("x", {"own": own})) == 3
    own[0] = 7  # the array of the caller stays what it was


def test_a_campaign_is_not_opened_as_a_run(tmp_path: Path) -> None:
    result = small_campaign(tmp_path / "mine.campaign")
    with pytest.raises(RecordError, match="is the result of a campaign, not the record of a run"):
        hil.open_run(result)
    with pytest.raises(RecordError, match="is not the result of a campaign"):
        hil.open_campaign(small(tmp_path).folder / "run.db")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": ()}, r"targets=\(\) names none"),
        ({"targets": "output"}, "targets='output' is one text, not a list of names"),
        ({"targets": ["output", "output"]}, "names one twice"),
        ({"targets": ["link"]}, "no target 'link'"),
        ({"workers": 0}, "workers=0 is not a whole number from 1 on"),
        ({"workers": 1.5}, "workers=1.5 is not a whole number"),
        ({"frame": "a"}, "frame='a' is not a whole number from 0 on"),
        ({"frame": -1}, "frame=-1 is not a whole number from 0 on"),
        ({"frame": 10**6}, "frame=1000000: nominal has"),
        ({"result": ""}, "result= is an empty text"),
        ({"scenario": hil.parse_scenario(TEXT), "boards": "inproc"}, "takes no boards="),
    ],
)
def test_a_campaign_that_is_not_possible_is_refused(
    tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    order: dict[str, Any] = {"scenario": "nominal", "result": tmp_path / "a.campaign", **wrong}
    with pytest.raises(UsageError, match=message):
        api.campaign(**order)
    assert list(tmp_path.iterdir()) == []


def test_a_campaign_from_python_is_of_the_step_and_the_targets_of_the_command() -> None:
    ours, theirs = inspect.signature(api.campaign), inspect.signature(campaign)
    assert ours.parameters["frame"].default == theirs.parameters["frame"].default == 3
    targets = ours.parameters["targets"].default
    assert ",".join(targets) == theirs.parameters["targets"].default


def test_a_flight_has_rows_and_figures() -> None:
    flight = hil.orbit("saa-pass", every_s=60.0)
    assert flight.rows["t_s"][:3].tolist() == [0.0, 60.0, 120.0]
    assert flight.figures.duration_s == flight.rows["t_s"][-1]
    shown = flight._repr_html_()
    assert "<td>orbit</td><td>501 x 501 km, 51.64 deg, period 94.6 min" in shown
    assert "<th>t_s</th>" in shown and "mbu 622" in shown
    assert repr(flight).startswith("<SurveyedFlight of 1,200 s: <ColumnTable orbit: 21 rows of t_s")


@pytest.mark.slow
def test_an_exact_campaign_is_that_of_the_command(tmp_path: Path) -> None:
    result = api.campaign(
        "nominal", tmp_path / "a.campaign", targets=["output"], boards="process", workers=2
    )
    summary = result.summary
    assert summary.is_complete and summary.total.faults == sum(summary.total.effects.values())
    assert "<th>faults</th>" in result._repr_html_()
    content = read_evidence(tmp_path / "a.evidence.json")
    assert check_evidence(content, tmp_path / "a.campaign").ok
    assert api.open_campaign(tmp_path / "a.campaign").summary.experiments == summary.experiments
    with pytest.raises(UsageError, match="exists already"):
        api.campaign("nominal", tmp_path / "a.campaign", targets=["output"])
    with pytest.raises(UsageError, match="no target 'link'"):
        api.campaign("nominal", tmp_path / "b.campaign", targets=["link"])
