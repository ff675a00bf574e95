"""A golden run that the boards compute before the run, because this computer cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.engine.golden_source import GOLDEN_FILE, read_golden_file
from hil.engine.loop import Loop
from hil.errors import ConfigError, KernelError, RecordError, SetupError
from hil.kernel import digest64
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.rig.golden_recording import record_run
from hil.rig.program import RecordedGolden, golden_run
from hil.rig.program_options import ProgramOptions
from hil.rig.recorded_run import recorded_run_of
from hil.rig.resync import write_state
from hil.scenario import Scenario
from hil.verification.findings import Verification
from hil.verification.replay import verify

from .contract import SEED
from .exec_rig import EXAMPLES, HOSTILE, MakeRig, python

pytestmark = pytest.mark.ptrace


def scenario(**program: object) -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "exec",
            "exec": {"program": "c", "golden": "recorded", **program},
            "seed": SEED,
            "frames": 80,
            "rig": {"scheme": "tmr", "board": "process"},
            "timeouts": {"calibration_frames": 4},
            "upsets": {
                "events": [
                    {"frame": 20, "node": "a", "target": "state", "tick": 0},
                    {"frame": 40, "node": "b", "target": "output", "tick": 1},
                    {"frame": 50, "node": "c", "target": "cpu", "sefi": "crash", "tick": 0},
                ]
            },
            "expect": {"sdc_escaped": 0, "availability": 1, "upsets.injected": 3},
        }
    )


def run(folder: Path, scenario: Scenario) -> RunResult:
    folder.mkdir()
    return Loop(scenario, folder).run()


def verified(folder: Path) -> Verification:
    reader = Reader(folder)
    try:
        return verify(reader)
    finally:
        reader.close()


def nothing(_: int) -> None:
    pass


def test_the_recorded_run_is_the_golden_run(make_rig: MakeRig) -> None:
    """Where this computer can compute it, it must be the same."""
    rig = make_rig("c", 2)
    run = record_run(rig, 30, nothing)
    recorded, golden = RecordedGolden(run, ProgramOptions()), golden_run("exec:c", SEED)
    assert recorded.state == golden.state and recorded.workload == golden.workload
    for _ in range(30):
        recorded.step()
        golden.step()
        assert recorded.input == golden.input
        assert (recorded.output, recorded.state) == (golden.output, golden.state)
        assert recorded.output_digest == golden.output_digest
        assert recorded.state_digest == golden.state_digest
    with pytest.raises(SetupError, match="recorded for 30 frames"):
        recorded.step()
    recorded.resume(11, run.state_after(10))
    assert recorded.next_frame == 11 and recorded.state == run.state_after(10)
    with pytest.raises(KernelError, match="another state"):
        recorded.resume(12, run.state_after(10))
    assert recorded_run_of(run.as_file(), "here") == run


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"x" + data,
        lambda data: data.replace(b'"frames": 3', b'"frames": 2'),
        lambda data: data.replace(b'"output_len": 16', b'"output_len": 0'),
        lambda data: data.replace(b"{", b"["),
        lambda data: b"",
    ],
)
def test_a_damaged_file_is_refused(
    make_rig: MakeRig, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data = record_run(make_rig("c"), 3, nothing).as_file()
    with pytest.raises(RecordError, match="here is not a golden run"):
        recorded_run_of(damage(data), "here")
    (tmp_path / GOLDEN_FILE).write_bytes(damage(data))
    with pytest.raises(RecordError, match="has changed"):
        read_golden_file(tmp_path, hashlib.sha256(data).hexdigest())


def test_boards_that_differ_record_nothing(make_rig: MakeRig) -> None:
    rig = make_rig("c", 2)
    load = rig.setup.load

    def load_wrong(node):  # type: ignore[no-untyped-def]
        digest = load(node)
        if node is rig.nodes[1]:
            write_state(rig, node, bytes(24), b"\1" * 24)
        return digest

    rig.setup.load = load_wrong  # type: ignore[method-assign]
    with pytest.raises(SetupError, match="nodes n0 and n1 compute frame 0 differently"):
        record_run(rig, 5, nothing)


def test_a_program_that_dies_records_nothing(make_rig: MakeRig) -> None:
    rig = make_rig("bad", bad=python(HOSTILE, "exit3", "2"))
    with pytest.raises(
        SetupError, match=r"n0 failed in frame 2 of the golden run.*exited with code 3"
    ):
        record_run(rig, 5, nothing)


def test_too_many_results_are_refused_before_they_are_computed(make_rig: MakeRig) -> None:
    with pytest.raises(ConfigError, match="expected at most 512 MiB"):
        record_run(make_rig("c"), 20_000_000, nothing)


@pytest.mark.timeout(180)
def test_a_run_needs_no_program_on_this_computer(
    tmp_path: Path, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_reference(*_: object) -> None:
        raise AssertionError("the program was started here")

    monkeypatch.setattr("hil.rig.program.ProgramGolden", no_reference)
    result = run(tmp_path / "run", scenario())
    assert result.outcome == "pass", result
    digest = hashlib.sha256((tmp_path / "run" / GOLDEN_FILE).read_bytes()).hexdigest()
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["scenario"]["exec"]["golden_sha256"] == digest
    found = verified(tmp_path / "run")
    assert found.ok, found.differences
    assert any("the golden run that the boards computed" in text for text in found.covered)
    again = run(tmp_path / "again", scenario(golden_sha256=digest))
    assert again.run_digest == result.run_digest
    with pytest.raises(SetupError, match="the golden run that the boards computed has SHA-256"):
        run(tmp_path / "other", scenario(golden_sha256="0" * 64))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_is_resumed_with_its_golden_run_only(
    tmp_path: Path, allow: Callable[..., None]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    first = Loop(scenario(), folder, stop=lambda: first.next_frame >= 45)
    assert first.run().outcome == "aborted"
    content = (folder / GOLDEN_FILE).read_bytes()
    (folder / GOLDEN_FILE).write_bytes(content + b"x")
    with pytest.raises(RecordError, match="has changed"):
        Loop(first.scenario, folder, resume_run=True)
    (folder / GOLDEN_FILE).write_bytes(content)
    resumed = Loop(first.scenario, folder, resume_run=True).run()
    assert resumed.outcome == "pass", resumed
    assert resumed.run_digest == run(tmp_path / "whole", scenario()).run_digest
    assert verified(folder).ok


@pytest.mark.timeout(180)
def test_another_golden_run_is_a_difference(tmp_path: Path, allow: Callable[..., None]) -> None:
    folder = tmp_path / "run"
    run(folder, scenario())
    data = bytearray((folder / GOLDEN_FILE).read_bytes())
    data[-1] ^= 1
    (folder / GOLDEN_FILE).write_bytes(data)
    found = verified(folder)
    assert not found.ok and "has changed" in str(found.differences)
    (folder / GOLDEN_FILE).unlink()
    assert not verified(folder).ok


@pytest.mark.timeout(180)
def test_wrong_results_are_told_by_the_recorded_run(
    tmp_path: Path, allow: Callable[..., None]
) -> None:
    """Two nodes are hit in the same bit of their output: the majority is wrong."""
    same = {"frame": 30, "target": "output", "tick": 1, "bit": 5}
    wrong = scenario().model_dump(by_alias=True)
    wrong |= {
        "upsets": {"events": [{**same, "node": "a"}, {**same, "node": "b"}]},
        "expect": {"sdc_frames": 1},
    }
    result = run(tmp_path / "run", Scenario.model_validate(wrong))
    assert result.outcome == "pass", result
    assert verified(tmp_path / "run").ok


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_long_outputs_are_recorded_too(tmp_path: Path, allow: Callable[..., None]) -> None:
    allow(bad=python(HOSTILE, "lengthy", "99"))
    data = scenario(program="bad").model_dump(by_alias=True)
    data |= {"frames": 12, "upsets": {"events": []}, "expect": {"sdc_escaped": 0}}
    result = run(tmp_path / "run", Scenario.model_validate(data))
    assert result.outcome == "pass", result
    content = (tmp_path / "run" / GOLDEN_FILE).read_bytes()
    kept = recorded_run_of(content, "here")
    assert kept.frames == 12 and len(kept.output_of(11)) == 48_000
    golden = golden_run("exec:bad", SEED)
    for _ in range(12):
        golden.step()
    assert digest64(kept.output_of(11)) == golden.output_digest


def test_a_digest_without_a_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="no golden run is recorded"):
        scenario(golden="host", golden_sha256="0" * 64)
    with pytest.raises(ValueError, match="not a valid golden run"):
        scenario(golden="guessed")


def test_the_example_in_python_can_be_recorded(make_rig: MakeRig) -> None:
    assert EXAMPLES.is_dir()
    run = record_run(make_rig("py"), 5, nothing)
    assert run.outputs == record_run(make_rig("c"), 5, nothing).outputs
