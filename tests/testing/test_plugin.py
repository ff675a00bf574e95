"""The pytest plugin, in pytest runs of their own, as its users have it."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree

from hil import assets
from hil.api import NodeState, VerdictKind
from hil.record.queries import COLD_START
from hil.redundancy.recovery import RUNGS
from hil.report.evidence.evidence_check import check_evidence
from hil.report.evidence.evidence_file import read_evidence
from hil.rig.backends.process import find_agent
from hil.run_outcome import RunOutcome
from hil.testing import conditions
from hil.testing.allure import TestOutcome, write_result
from hil.testing.judgement import RUN_OUTCOMES
from hil.testing.session import boards_in_place
from hil.upsets.words import EFFECTS, OUTCOMES, UpsetTarget

SUITE = """
import pytest
from hil.testing import repair, state, upset, verdict

pytestmark = pytest.mark.hil_scenario("nominal", frames=300)

def test_heals(rig, node, inject, recording):
    rig.step(20)
    hit = inject("b", "state", bit=7)
    seen = rig.await_sequence(
        upset("state", node="b"),
        verdict("majority", node="b"),
        repair("resync", node="b", ok=True),
        state("voting", node="b"),
        within_frames=1,
    )
    assert [o.frame for o in seen] == [20] * 4 and rig.frame == 21
    assert hit.await_outcome("corrected", within_frames=1).fields["bit"] == 7
    assert list(recording().upsets["frame"]) == [20] and len(recording().frames["frame"]) == 21
    node("c").cut_power(returns_after_frames=30)
    rig.await_verdict("isolated", node="c", within_frames=50)
    assert node("c").state == "isolated" and not node("c").now.powered
    rig.await_verdict("voting", node="c", within_frames=80)
    rig.expect({"upsets.injected": 2}, sdc_escaped=0, isolated=">= 0", outcome="fail")
    assert rig.frames_left == 0

def test_too_late(rig):
    rig.inject("b", "state", bit=3)
    rig.await_verdict("isolated", node="b", within_frames=20)

def test_plain_assertion(rig):
    assert rig.step(3) == 4

def test_wrong_expectation(rig):
    rig.load(frames=30, seed=9).expect(sdc_escaped=1, availability=">= 0.5")

def test_scenario_disagrees(rig):
    rig.load(frames=30).inject("b", "state", bit=3)
    rig.expect(sdc_escaped=0)

def test_run_disagrees(rig):
    rig.load(frames=30).inject("b", "state", bit=3)
    rig.run()

def test_steps_disagree(rig):
    rig.load(frames=30).inject("b", "state", bit=3)
    rig.step(30)

def test_escapes(rig):
    rig.load("alone.yaml")
    rig.step(20)
    rig.inject("a", "state", bit=77)
    rig.expect(sdc_escaped=0)

@pytest.mark.hil_scenario("alone.yaml")
def test_failing_on_purpose(rig):
    rig.step(20)
    rig.inject("a", "state", bit=77)
    assert rig.run(outcome="fail").outcome == "fail"
    rig.expect(sdc_upsets=1)  # what was said once is kept

def test_other_outcome(rig):
    rig.load(frames=30).expect(sdc_escaped=0, outcome="fail")

def test_outcome_misspelt(rig):
    rig.run(outcome="failed")

def test_forbidden(rig):
    rig.forbid(verdict("majority"))
    rig.step(10)
    rig.inject("c", "state", bit=1)
    rig.step(100)

def test_vacuous(rig):
    rig.await_verdict("voting", node="b", within_frames=5)

def test_out_of_order(rig):
    rig.inject("b", "state", bit=3)
    rig.await_sequence(state("voting", node="b"), repair("resync"), within_frames=5)

def test_refused(rig, node):
    rig.step()
    node("a").power_on()

@pytest.mark.hil_needs("real")
def test_on_real_boards(rig):
    rig.step()

@pytest.mark.hil_needs("power", "state")
def test_on_any_board(rig):
    rig.step()

@pytest.mark.hil_needs("warp")
def test_on_no_board(rig):
    pass

@pytest.mark.hil_needs("state", nodes=3)
def test_on_three_nodes(rig):
    rig.step()

@pytest.mark.hil_needs(nodes=5)
def test_on_five_nodes(rig):
    rig.step()

@pytest.mark.hil_needs(boards=5)
def test_needs_misspelt(rig):
    pass

@pytest.mark.hil_needs(nodes=99)
def test_too_many_nodes(node):
    pass

@pytest.mark.hil_needs()
def test_needs_nothing(inject):
    pass

@pytest.mark.hil_scenario("nominal", seeds=5)
def test_option_misspelt(rig):
    pass

@pytest.mark.hil_scenario("nominal", frames=0)
def test_option_impossible(recording):
    pass

@pytest.mark.hil_scenario("nosuch.yaml")
def test_scenario_misspelt(rig):
    pass

@pytest.mark.hil_scenario("nosuch.yaml")
def test_flight_misspelt(orbit):
    pass

@pytest.mark.hil_scenario()
def test_scenario_empty(rig):
    pass

def test_loaded_misspelt(rig):
    rig.load("nosuch.yaml")

def test_nothing_forbidden(rig):
    rig.forbid()

def test_nothing_awaited(rig):
    rig.await_sequence(within_frames=3)

def test_metric_misspelt(rig):
    rig.expect(sdc_escape=0)

def test_metric_unknown(rig):
    rig.expect(qqq=0)

def test_field_misspelt(rig):
    rig.forbid(upset("state", outcom="sdc_escaped"))

def test_node_misspelt(rig):
    rig.forbid(verdict("majority", node="z"))

def test_no_frames(rig):
    rig.step(-1)

def test_never_opened(rig):
    pass
"""

ALONE = """
schema: 1
workload: attitude
frames: 200
rig: {scheme: simplex}
expect: {availability: ">= 0.5"}
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run of SUITE with all reports, for several tests: its folder and what it has printed."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "elsewhere").mkdir()
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "alone.yaml").write_text(ALONE)
    page = (assets.scenarios_dir() / "TESTING.md").read_text()
    for language, name in (("python", "test_page.py"), ("yaml", "flight.yaml")):
        example = re.search(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        assert example is not None
        (folder / name).write_text(example[1])
    options = "--junitxml=../junit.xml --hil-allure=../allure -rs -p no:cacheprovider"
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pytest", "--rootdir=..", "..", *options.split()],
        cwd=folder / "elsewhere",  # where a path on the command line begins, for pytest's own, too
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return folder, done.stdout


def failure_of(output: str, test: str) -> str:
    title = rf"^_+ (?:ERROR at setup of )?{test} _+$"
    found = re.search(rf"{title}(.*?)(?=^_+ |^=+ )", output, re.MULTILINE | re.DOTALL)
    assert found, f"{test} did not fail:\n{output}"
    return found[1]


def test_what_a_suite_comes_to(suite: tuple[Path, str]) -> None:
    last = suite[1].strip().splitlines()[-1]
    assert "21 failed, 6 passed, 2 skipped" in last and "9 errors" in last


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("test_too_late", "node b isolated: not seen within 20 frames, up to frame 19: node b is"),
        ("test_plain_assertion", "assert 3 == 4"),
        ("test_wrong_expectation", "sdc_escaped: measured 0, expected == 1"),
        (
            "test_forbidden",
            "forbidden: verdict majority; frame 10: majority, another state in c",
        ),
        ("test_vacuous", "node b was voting before, and did not change"),
        ("test_out_of_order", "step 2 of 2, repair resync: not seen within 5 frames"),
        ("test_refused", "was refused before frame 1: node a has power"),
        (
            "test_scenario_disagrees",
            "verdicts.unanimous: measured 29, expected == frames by the sc",
        ),
        ("test_run_disagrees", "the run is recorded as `fail`, expected `pass`"),
        ("test_steps_disagree", "recoveries: measured 1, expected == 0 by the scenario nominal"),
        ("test_escapes", "first in frame 20: a wrong output left the system, a WRONG; #1 a state"),
        (
            "test_escapes",
            "frames whose wrong output left the system; `sdc_upsets` counts the upsets: 1",
        ),
        ("test_escapes", "frames 21 to 299: simplex, WRONG OUTPUT"),
        ("test_other_outcome", "the run is recorded as `pass`, expected `fail`"),
    ],
)
def test_a_failure_says_why_and_where_the_recording_is(
    suite: tuple[Path, str], test: str, why: str
) -> None:
    folder, output = suite
    text = failure_of(output, test)
    assert why in text
    recording = folder / "runs" / "pytest" / f"test_suite-{test}"
    assert f"recording    {recording}\n" in text and (recording / "run.db").is_file()
    assert (
        f"reproduce    pytest ../test_suite.py::{test} --rootdir .. "
        f"--hil-seed {9 if 'wrong' in test else 1}" in text
    )
    assert not re.search(r"hil/(testing|engine)/", text), "the traceback is that of the test"


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("test_needs_misspelt", "@hil_needs: `boards` is not valid"),
        ("test_on_no_board", "@hil_needs: 'warp' is not a capability of boards"),
        ("test_too_many_nodes", "@hil_needs: nodes=99 is not valid"),
        ("test_needs_nothing", "@hil_needs: nothing was given"),
        ("test_option_misspelt", "@hil_scenario: there is no option 'seeds'"),
        ("test_option_impossible", "the number 0; expected a whole number from 1 up"),
        ("test_scenario_misspelt", "there is no file nosuch.yaml"),
        ("test_flight_misspelt", "there is no file nosuch.yaml"),
        ("test_scenario_empty", "@hil_scenario: nothing was given"),
        ("test_loaded_misspelt", "there is no file nosuch.yaml"),
        ("test_nothing_forbidden", "forbid(): expected at least one condition"),
        ("test_nothing_awaited", "await_sequence(): expected at least one condition"),
        ("test_outcome_misspelt", "'failed' is not a valid outcome of runs; expected one of pass"),
        ("test_metric_misspelt", "did you mean `sdc_escaped`?"),
        ("test_metric_unknown", "frames, availability, sdc_frames"),
        ("test_field_misspelt", "'outcom' is not a valid field of upsets; expected one of number,"),
        ("test_node_misspelt", "there is no node 'z'; the rig has a, b, c"),
        ("test_no_frames", "step(-1): expected a number of frames from 1 on"),
    ],
)
def test_what_a_test_misspells_is_refused_with_what_there_is(
    suite: tuple[Path, str], test: str, why: str
) -> None:
    text = failure_of(suite[1], test)
    assert text.count(why) == 1 and "During handling" not in text
    assert not re.search(r"hil/(testing|scenario)/", text), "the traceback is that of the test"


def test_a_rig_with_too_few_nodes_skips_the_test(suite: tuple[Path, str]) -> None:
    assert "hil_needs: 5 nodes, the rig of nominal has 3" in suite[1]


def test_a_forbidden_frame_is_the_last_of_the_recording(suite: tuple[Path, str]) -> None:
    assert "frames run   11\n" in failure_of(suite[1], "test_forbidden")


def test_only_recordings_of_failures_are_kept(suite: tuple[Path, str]) -> None:
    kept = {folder.name for folder in (suite[0] / "runs" / "pytest").iterdir()}
    assert (
        len(kept) == 13 and not {"test_suite-test_heals", "test_suite-test_on_real_boards"} & kept
    )
    for name in kept:
        folder = suite[0] / "runs" / "pytest" / name
        assert check_evidence(read_evidence(folder / "evidence.json"), folder / "run.db").ok


def test_what_a_board_cannot_do_is_skipped_with_the_reason(suite: tuple[Path, str]) -> None:
    assert "hil_needs: the board of node a lacks real" in suite[1]


def properties_of(tree: ElementTree.ElementTree[ElementTree.Element], test: str) -> dict[str, str]:
    """The properties of a suite whose names begin with a test."""
    pairs = [(p.attrib["name"].rpartition("."), p.attrib["value"]) for p in tree.iter("property")]
    return {name: value for (nodeid, _, name), value in pairs if nodeid.endswith(f"::{test}")}


def test_junit_follows_the_schema_of_ci_servers(suite: tuple[Path, str]) -> None:
    """The schema with which the xUnit plugin of Jenkins checks reports: it knows no properties of a
    single test."""
    file = Path(__file__).parents[1] / "cli" / "schemas" / "junit-10.xsd"
    content = (suite[0] / "junit.xml").read_bytes()
    etree.XMLSchema(file=str(file)).assertValid(etree.fromstring(content))
    assert b'.hil_seed"' in content


def test_junit_has_the_configuration_the_boards_and_the_failure(suite: tuple[Path, str]) -> None:
    folder = suite[0]
    tree = ElementTree.parse(folder / "junit.xml")  # noqa: S314  (our own)
    cases = {case.attrib["name"]: case for case in tree.iter("testcase")}
    failed = properties_of(tree, "test_too_late")
    manifest = json.loads((Path(failed["hil_recording"]) / "manifest.json").read_text())
    assert failed["hil_config_hash"] == manifest["config_hash"]
    assert failed["hil_run_digest"] == manifest["run_digest"] != ""
    assert failed["hil_scenario"] == "nominal" and failed["hil_seed"] == "1"
    for board in manifest["nodes"]:
        said = failed[f"hil_board_{board['name']}"]
        assert said.startswith(board["board"]) and board["agent_version"] in said
    failure = cases["test_too_late"].find("failure")
    assert failure is not None and f"recording    {failed['hil_recording']}" in (failure.text or "")
    passed = properties_of(tree, "test_heals")
    assert passed["hil_config_hash"] == failed["hil_config_hash"] and "hil_recording" not in passed
    assert not properties_of(tree, "test_never_opened")


def test_allure_tells_the_cases_of_a_test_apart_and_reads_no_attachment(tmp_path: Path) -> None:
    """Seen with Allure 2.46 and 3.18: results with the same test case and parameters are one test
    that was repeated, and files that end with `.xml` are results of JUnit."""
    for drawn in ("6", "7"):
        outcome = TestOutcome(f"t/test_x.py::test_heals[{drawn}]", "passed", "", "", 1, 2)
        write_result(tmp_path, outcome, [], [("seed", "1")], [("junit.xml", b"<testsuite/>")])
    results = [json.loads(file.read_text()) for file in tmp_path.glob("*-result.json")]
    cases = [
        (r["testCaseId"], [p["value"] for p in r["parameters"] if not p.get("excluded")])
        for r in results
    ]
    assert cases[0][0] == cases[1][0] and sorted(values for _, values in cases) == [["6"], ["7"]]
    assert not list(tmp_path.glob("*.xml"))


def test_allure_results_are_those_of_its_model(suite: tuple[Path, str]) -> None:
    """Each file is read into the classes that allure-pytest itself writes, and written again."""
    model = pytest.importorskip("allure_commons.model2")
    attr = pytest.importorskip("attr")
    children = {
        "statusDetails": model.StatusDetails,
        "steps": model.TestStepResult,
        "attachments": model.Attachment,
        "parameters": model.Parameter,
        "labels": model.Label,
    }

    def read(content: object, kind: type) -> object:
        assert isinstance(content, dict)
        values: dict[str, object] = {}
        for key, value in content.items():
            child = children.get(key)
            if child is not None and isinstance(value, list):
                values[key] = [read(item, child) for item in value]
            else:
                values[key] = value if child is None else read(value, child)
        return kind(**values)

    files = sorted((suite[0] / "allure").glob("*-result.json"))
    results = [json.loads(file.read_text()) for file in files]
    statuses = vars(model.Status)
    for file, content in zip(files, results, strict=True):
        written = attr.asdict(read(content, model.TestResult), filter=lambda _, v: v or v is False)
        # Of an empty list, or an empty text, allure writes nothing.
        assert written == without_empty(content)
        assert (
            content["status"] in statuses.values() and file.name == f"{content['uuid']}-result.json"
        )
        for attachment in content["attachments"]:
            assert (suite[0] / "allure" / attachment["source"]).stat().st_size >= 0
    by_name = {content["name"]: content for content in results}
    assert len(by_name) == len(results) == 29
    assert by_name["test_heals"]["status"] == "passed"
    assert (
        by_name["test_too_late"]["status"] == by_name["test_plain_assertion"]["status"] == "failed"
    )
    assert by_name["test_refused"]["status"] == "broken"
    assert by_name["test_on_real_boards"]["status"] == "skipped"
    steps = [step["name"] for step in by_name["test_too_late"]["steps"]]
    assert steps == ["inject node=b target=state bit=3", "await node b isolated"]


def without_empty(content: object) -> object:
    if isinstance(content, dict):
        return {k: without_empty(v) for k, v in content.items() if v or v is False}
    return [without_empty(item) for item in content] if isinstance(content, list) else content


@pytest.mark.slow
def test_the_line_to_reproduce_it_gives_the_same_record(suite: tuple[Path, str]) -> None:
    folder, output = suite
    line = re.search(r"reproduce    (.*)", failure_of(output, "test_too_late"))
    assert line is not None
    command = [sys.executable, "-I", "-m", *shlex.split(line[1]), "-p", "no:cacheprovider"]
    started = folder / "elsewhere"
    again = subprocess.run(command, cwd=started, capture_output=True, text=True, check=False)
    assert again.returncode == 1, again.stdout
    runs = [folder / "runs" / "pytest" / f"test_suite-test_too_late{n}" for n in ("", "-2")]
    first, second = (json.loads((run / "manifest.json").read_text()) for run in runs)
    assert first["run_digest"] == second["run_digest"] != ""


def test_an_ordinary_pytest_run_loads_nothing_of_the_package(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_ordinary(request):
            ours = {name for name in sys.modules if name.partition(".")[0] == "hil"}
            light = {"plugin", "conditions", "occurrences"}
            assert ours == {"hil", "hil.testing", *(f"hil.testing.{name}" for name in light)}
            assert not {"numpy", "pydantic", "yaml", "cffi"} & set(sys.modules)

        def test_own_fixture_of_the_same_name(rig, node):
            assert (rig, node) == ("my rig", "my node")
        """
    )
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def rig():
            return "my rig"

        @pytest.fixture
        def node():
            return "my node"
        """
    )
    # labgrid's plugin, where it is installed, loads YAML for its own ends
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:labgrid")
    result.assert_outcomes(passed=2)
    assert not (pytester.path / "runs").exists()


@pytest.mark.parametrize("option", ["--hil-recordings", "--hil-allure"])
@pytest.mark.parametrize("folder", ["/proc/x", "file", "file/x"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_first_test(
    pytester: pytest.Pytester, option: str, folder: str
) -> None:
    pytester.path.joinpath("file").touch()
    result = pytester.runpytest_inprocess(
        option, folder, "-p", "no:cacheprovider", "-p", "no:labgrid"
    )
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option}: cannot write into the folder *{folder}: *"])


def test_a_folder_that_cannot_be_written_any_more_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pathlib, pytest

        @pytest.mark.hil_scenario("nominal")
        def test_recording(rig):
            pathlib.Path("runs").touch()
            pathlib.Path("results").rmdir()
            pathlib.Path("results").touch()
            rig.step()
        """
    )
    result = pytester.runpytest_inprocess(
        "--hil-allure=results", "-p", "no:cacheprovider", "-p", "no:labgrid"
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "--hil-allure: the result of this test cannot be written: *",
            "E *SetupError: cannot create a folder for the recording: *",
            "E *try: name a folder that can be written: --hil-recordings DIR",
        ]
    )


@pytest.mark.slow
def test_options_choose_boards_seed_and_folder(pytester: pytest.Pytester) -> None:
    nominal = assets.scenarios_dir() / "nominal.yaml"
    (pytester.path / "own.yaml").write_text(nominal.read_text())
    pytester.makeini("[pytest]\nhil_scenario = own.yaml\n")
    pytester.makepyfile(
        """
        def test_options(rig, orbit):
            rig.step(5)
            assert {node.now.board for node in rig.nodes} == {"process"}
            assert rig.recording.result.seed == 77
            assert len(orbit("saa-pass", every_s=600).rows["t_s"]) > 1
        """
    )
    options = ["--hil-boards=process", "--hil-seed=77", "--hil-recordings=kept", "--hil-keep-all"]
    pytester.runpytest_subprocess(*options, "-p", "no:cacheprovider").assert_outcomes(passed=1)
    (run,) = (pytester.path / "kept").iterdir()
    assert json.loads((run / "manifest.json").read_text())["outcome"] == "aborted"


@contextlib.contextmanager
def bench_file(folder: Path, names: Sequence[str]) -> Iterator[None]:
    """Agents behind ptys, as the plain boards of a bench file in this folder."""
    command = [str(find_agent()), "--port", "pty"]
    with contextlib.ExitStack() as stack:
        boards = []
        for name in names:
            agent = stack.enter_context(
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
            )
            stack.callback(agent.kill)
            assert agent.stdout is not None
            port = next(line.split()[-1] for line in agent.stdout if "/dev/pts/" in line)
            boards.append(f"- {{name: {name}, port: {port}}}\n")
        (folder / "bench.yaml").write_text("boards:\n" + "".join(boards))
        yield


@pytest.mark.slow
def test_a_bench_of_boards_replaces_software_boards(pytester: pytest.Pytester) -> None:
    """Agents behind ptys, with the plain boards of a bench file: they have no power switch."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.hil_needs("real")
        @pytest.mark.hil_scenario("nominal", boards="process")
        def test_real(rig, inject):
            rig.step(5)
            inject("b", "state", bit=7)
            rig.await_verdict("majority", node="b", within_frames=1)

        @pytest.mark.hil_needs("power")
        @pytest.mark.hil_scenario("nominal")
        def test_power(rig):
            rig.step()

        @pytest.mark.hil_needs(nodes=5)
        @pytest.mark.hil_scenario("nominal", scheme="5mr")
        def test_five(rig):
            rig.step()
        """
    )
    options = ["--hil-bench=bench.yaml", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
    with bench_file(pytester.path, "abc"):
        result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=1, skipped=2)
    tree = ElementTree.parse(pytester.path / "junit.xml")  # noqa: S314  (our own)
    assert properties_of(tree, "test_real")["hil_board_a"].startswith("serial ")


@pytest.mark.slow
def test_nodes_of_a_scenario_are_the_boards_of_a_bench_in_their_order(
    pytester: pytest.Pytester,
) -> None:
    """As `hil discover` names boards, and as `hil run --bench` takes events of a scenario."""
    pytester.makepyfile(
        """
        import pytest
        from hil.errors import UsageError
        from hil.testing import repair, state, upset, verdict

        @pytest.mark.hil_scenario("nominal", boards="process")
        def test_named_as_in_the_scenario(rig, node, inject):
            rig.forbid(verdict("majority", node="c"))
            rig.step(5)
            assert node("b").name == "board-2" == node("board-2").name
            hit = inject("b", "state", bit=7)
            rig.await_sequence(
                upset("state", node="b"), repair("resync", node="board-2", ok=True),
                state("voting", node="b"), within_frames=1,
            )
            assert "board-2" in hit.await_outcome("corrected", within_frames=0).nodes
            node("a").isolate()
            rig.await_verdict("isolated", node="a", within_frames=1)
            with pytest.raises(UsageError, match="no node 'd'; the rig has board-1, board-2"):
                node("d")
        """
    )
    options = ["--hil-bench=bench.yaml", "-p", "no:cacheprovider"]
    with bench_file(pytester.path, ("board-1", "board-2", "board-3")):
        result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=1)


def test_a_name_of_a_scenario_never_stands_for_two_boards() -> None:
    left = ("left", "middle", "right")
    assert boards_in_place("abc", left) == {"a": "left", "b": "middle", "c": "right"}
    assert boards_in_place("abc", ("left", "middle", "c"))["a"] == "left"
    assert boards_in_place("abc", "abc") == {"a": "a", "b": "b", "c": "c"}
    assert boards_in_place("abc", ("b", "left", "right")) == {}


def test_the_words_of_conditions_are_those_of_the_record() -> None:
    assert set(conditions.VERDICTS) == {kind.word for kind in VerdictKind}
    assert set(conditions.STATES) == {state.value for state in NodeState}
    assert not set(conditions.VERDICTS) & set(conditions.STATES)
    assert set(conditions.OUTCOMES) == {outcome.value for outcome in OUTCOMES}
    assert set(conditions.EFFECTS) == {effect.value for effect in EFFECTS}
    assert set(conditions.TARGETS) == {target.value for target in UpsetTarget}
    assert {rung.value for rung in RUNGS} < set(conditions.REPAIRS)
    assert COLD_START in conditions.REPAIRS


def test_the_outcomes_of_runs_are_those_of_the_record() -> None:
    assert set(RUN_OUTCOMES) == {o.value for o in RunOutcome} - {RunOutcome.RUNNING.value}


def test_an_unknown_word_is_refused_with_all_known_ones() -> None:
    with pytest.raises(
        ValueError, match="'isolate' is not a valid state of a node; expected one of"
    ):
        conditions.state("isolate")


def test_the_example_suite_needs_no_plugin_of_the_checkout_that_it_lies_in() -> None:
    """As TESTING.md calls it in a clone, where `pip install . pytest` is all that was installed."""
    done = subprocess.run(
        [*(sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:timeout"),
         *("-p", "no:cacheprovider", "--collect-only", "-q", "scenarios/testing")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "21 tests collected" in done.stdout
