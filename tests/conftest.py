"""For all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.command_line import Hil
from tests.ready import ReadyHil

pytest_plugins = ["pytester"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Modules and tests stay until the end: the collector of garbage would go through them again
    and again while there are more and more, and then during tests."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.enable()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many cases an enumeration has tried: the tests say so as the property `tried`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "tried":
                terminalreporter.write_line(f"tried: {value}")


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests run in an empty folder. In the checkout `python -c "import hil"` would take the sources
    (which have no compiled kernel) for the installed package; and nothing is left lying about.
    """
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """A test, and what it tests, closes every record that it opens (Python 3.13 warns of others;
    the test at which it does is another one)."""
    before = _open_records()
    yield
    left = _open_records() - before
    assert not left, f"still open: {sorted(left)}"


@pytest.fixture(scope="session")
def ready() -> Iterator[ReadyHil]:
    """One for all rooms of a session: a fixture that each module imported would be one for each."""
    server = ReadyHil()
    yield server
    server.close()


@pytest.fixture
def hil(tmp_path: Path, ready: ReadyHil) -> Hil:
    return Hil(tmp_path, ready)


def _open_records() -> set[str]:
    files: set[str] = set()
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 (twice for each of thousands of tests)
        with suppress(OSError):
            files.add(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 (it may be no path)
    return {name for name in files if name.endswith(("/run.db", "/run.db-wal"))}
