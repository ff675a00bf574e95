"""The pytest plugin: options, markers, fixtures, and what failures and reports say of a rig.

pytest loads this module at its start in every environment in which the package is installed, so it
imports nothing of the package until a test uses a fixture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest._code.code import ExceptionRepr
from _pytest.junitxml import xml_key

if TYPE_CHECKING:
    from hil.api import Run, SurveyedFlight
    from hil.testing.nodes import NodeOfTest, OrderedUpset
    from hil.testing.rig import RigOfTest
    from hil.testing.session import RigSession

__all__ = ["inject", "node", "orbit", "recording", "rig"]

_MARKERS: Final = (
    "hil_scenario(scenario, **options): the scenario of the fixture `rig`, a file beside the test "
    "or the name of a shipped one, and options of hil.run: seed, frames, scheme, boards, ...",
    "hil_needs(*capabilities, nodes=N): skip the test unless its rig has so many nodes, and every "
    "board of it can do this: `power` (switched from here), `real` (no software board), or a "
    "target of upsets such as `cpu`",
)
_PREFIX: Final = "hil_"
_SESSION: Final[pytest.StashKey[RigSession]] = pytest.StashKey()
_PHASES: Final[pytest.StashKey[dict[str, pytest.TestReport]]] = pytest.StashKey()
_ASSERTIONS: Final = (AssertionError, pytest.fail.Exception)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the configuration keys."""
    group = parser.getgroup("hil", "rigs of flight computers (hil)")
    group.addoption("--hil-bench", metavar="FILE", help="run rigs on the boards of this bench file")
    group.addoption(
        "--hil-boards",
        metavar="KIND",
        choices=("inproc", "process", "emulated"),
        help="run rigs on software boards of this kind: inproc (default), process or emulated; "
        "with --hil-bench: nodes for which the bench has no board",
    )
    group.addoption("--hil-seed", metavar="N", type=int, help="run all rigs with this seed")
    group.addoption(
        "--hil-recordings",
        metavar="DIR",
        help="folder for the recordings of rigs (default: runs/pytest in the root folder)",
    )
    group.addoption(
        "--hil-keep-all",
        action="store_true",
        help="keep the recordings of all tests, not only of those that failed",
    )
    group.addoption(
        "--hil-allure",
        metavar="DIR",
        help="write the results of tests that use a rig into this allure-results folder",
    )
    parser.addini("hil_scenario", "scenario of rigs whose tests have no marker hil_scenario")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers. Tests may change the working directory, and workers of pytest-xdist may
    have another one."""
    for name in ("hil_bench", "hil_recordings", "hil_allure"):
        if given := getattr(config.option, name):
            setattr(config.option, name, str(config.invocation_params.dir / given))
    config.pluginmanager.register(_JUnitProperties(config), "hil-junit")
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse folders that cannot be written before the first test runs."""
    config = session.config
    if config.getoption("--hil-recordings") or config.getoption("--hil-allure"):
        from hil.testing.output_folders import check_output_folders  # noqa: PLC0415

        check_output_folders(config)


# --- fixtures -----------------------------------------------------------------------------------


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Generator[RigOfTest, None, None]:
    """Yield the run of this test: it opens at its first use, and stands still between steps."""
    with _not_rewritten(request.config):
        from hil.testing.rig import RigOfTest  # noqa: PLC0415
        from hil.testing.session import RigSession  # noqa: PLC0415

    item: pytest.Item = request.node
    with _refused_with_the_message_alone():
        session = item.stash[_SESSION] = RigSession(item)
    phases = item.stash[_PHASES] = {}
    yield RigOfTest(session)
    try:
        session.close(passed=not any(report.failed for report in phases.values()))
    finally:
        item.user_properties += session.identity


@pytest.fixture
def node(rig: RigOfTest) -> Callable[[str], NodeOfTest]:
    """Return nodes of the rig by name: `node("b").state`, `node("b").cut_power()`."""
    return rig.node


@pytest.fixture
def inject(rig: RigOfTest) -> Callable[..., OrderedUpset]:
    """Inject an upset in the next frame of the rig: `inject("b", "state", bit=7)`."""
    return rig.inject


@pytest.fixture
def recording(rig: RigOfTest) -> Callable[[], Run]:
    """Return the record of the rig up to now: `recording().upsets`, `.frames`, `.verify()`, ..."""
    return lambda: rig.recording


@pytest.fixture
def orbit(request: pytest.FixtureRequest) -> Callable[..., SurveyedFlight]:
    """Fly the plant of a scenario without boards, by default that of the test: `orbit(every_s=60)`,
    `orbit("saa-pass").figures`."""
    with _not_rewritten(request.config):
        from hil.testing.flights import flown  # noqa: PLC0415
        from hil.testing.settings import checked_settings_of  # noqa: PLC0415

    with _refused_with_the_message_alone():
        checked_settings_of(request.node)

    def fly(scenario: Any = None, *, every_s: float | None = None) -> SurveyedFlight:
        return flown(request.node, scenario, every_s)

    return fly


@contextmanager
def _refused_with_the_message_alone() -> Generator[None, None, None]:
    """Fail the setup of a test whose markers or options cannot be used: its message says all."""
    from hil.errors import HilError  # noqa: PLC0415

    try:
        yield
    except HilError as refused:
        raise pytest.fail.Exception(str(refused), pytrace=False) from None


@contextmanager
def _not_rewritten(config: pytest.Config) -> Generator[None, None, None]:
    """Import the package as it is: pytest rewrites the assertions of all modules of a distribution
    that has a plugin, which takes seconds here and shows nothing."""
    hook: object = config.pluginmanager.rewrite_hook
    finders = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in finders if finder is not hook]
    try:
        yield
    finally:
        sys.meta_path[:] = finders


# --- what failures and reports say --------------------------------------------------------------


class _JUnitProperties:
    """Moves the properties of tests with a rig to their suite in a JUnit file, with the test as
    prefix: the schemas of CI servers know no properties of a single test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        xml = self._config.stash.get(xml_key, None)
        if xml is None or report.when != "teardown":
            return
        ours = [pair for pair in report.user_properties if pair[0].startswith(_PREFIX)]
        report.user_properties = [pair for pair in report.user_properties if pair not in ours]
        for name, value in ours:
            xml.add_global_property(f"{report.nodeid}.{name}", value)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge a run that has ended and that its test has not judged."""
    result = yield
    session = item.stash.get(_SESSION, None)
    if session is not None and (wrong := session.judge_if_ended()):
        raise pytest.fail.Exception(wrong, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the recording and the line that reproduces it to a failure of a test that uses a rig."""
    report = yield
    session = item.stash.get(_SESSION, None)
    if session is None:
        return report
    phases = item.stash[_PHASES]
    phases[report.when] = report
    if call.excinfo is not None and isinstance(call.excinfo.value, _ASSERTIONS):
        session.assertion_failed = True
    if report.failed and (text := session.failure()):
        if isinstance(report.longrepr, ExceptionRepr):  # JUnit has it, too
            report.longrepr.addsection("hil", text, "-")
        else:
            report.sections.append(("hil", text))
    if report.when == "teardown" and (folder := item.config.getoption("--hil-allure")):
        from hil.testing.allure_report import report_test  # noqa: PLC0415

        try:
            report_test(Path(folder), session, phases)
        except OSError as error:
            report.outcome = "failed"
            report.longrepr = f"--hil-allure: the result of this test cannot be written: {error}"
    return report
