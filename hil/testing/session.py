"""The run of one test: it opens at its first use, and closes after the test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from hil.api import (
    Run,
    RunOptions,
    RunResult,
    SteppedRun,
    load_scenario,
    stepped_run,
)
from hil.errors import HilError, SetupError, UsageError
from hil.testing.failure_text import failure_text, reproduce_line
from hil.testing.judgement import shortcomings
from hil.testing.occurrence_log import OccurrenceLog
from hil.testing.recordings import new_folder
from hil.testing.settings import RigSettings, check_options, checked_settings_of
from hil.testing.wanted_metrics import WantedMetrics

__all__ = ["RigSession", "TestAction", "boards_in_place"]

_WHO: Final = "pytest"
_REPORTS: Final = ("manifest.json", "junit.xml")


@dataclass(frozen=True, slots=True)
class TestAction:
    """An action of a test on its rig, for reports. Times are in milliseconds since 1970."""

    __test__ = False

    name: str
    start_ms: int
    stop_ms: int
    failure: BaseException | None


class RigSession:
    """The run of one test. `actions` are the steps, awaits and orders of the test so far;
    `assertion_failed`: it failed by an assertion, not by an error. Once the rig is closed,
    `identity` has what identifies the run, by name, and `attachments` the names and contents of
    reports. Not thread-safe."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._settings: RigSettings = checked_settings_of(item)
        self._run: SteppedRun | None = None
        self._closed = False
        self._judged = False
        self._outcome: str | None = None
        self.actions: list[TestAction] = []
        self.identity: list[tuple[str, str]] = []
        self.attachments: list[tuple[str, bytes]] = []
        self.assertion_failed = False
        self.log = OccurrenceLog()
        self.folder: Path | None = None
        self._boards_of: dict[str, str] = {}

    # --- beginning and end --------------------------------------------------------------------

    def load(self, scenario: str | Path | None, options: RunOptions) -> None:
        """Replace the scenario or options of the markers, before the rig is used; the command line
        comes before both. Raises: UsageError afterwards; UsageError, ConfigError for what cannot be
        used."""
        __tracebackhide__ = True
        if self._run is not None:
            raise UsageError("the rig is open: choose its scenario before its first use")
        check_options(list(options), "rig.load")
        settings = self._settings.replaced(self._item, scenario, options)
        settings.check()
        self._settings = settings

    def open(self) -> SteppedRun:
        """Return the run, with open boards; the test is skipped if they cannot do what it needs.

        Raises: UsageError, ConfigError if the scenario or an option cannot be used; SetupError and
        other subclasses of HilError if the boards cannot be opened."""
        __tracebackhide__ = True
        if self._run is not None:
            return self._run
        scenario, options = self._settings.scenario, self._settings.options
        if scenario is None:
            raise UsageError(
                "this test has no scenario",
                remedy='mark it with @pytest.mark.hil_scenario("memory-storm"), or set '
                "`hil_scenario` in the configuration of pytest",
            )
        self._need_boards()
        try:
            self.folder = new_folder(self._recordings, self._item.nodeid)
        except OSError as error:
            raise SetupError(
                f"cannot create a folder for the recording: {error}",
                remedy="name a folder that can be written: --hil-recordings DIR",
            ) from None
        try:
            run = stepped_run(scenario, out=self.folder, observers=[self.log], who=_WHO, **options)
            self.log.nodes = tuple(node.name for node in run.scenario.rig.nodes)
            self._need_nodes(run)
            if options.get("bench"):
                own = [node.name for node in load_scenario(scenario).rig.nodes]
                self._boards_of = boards_in_place(own, self.log.nodes)
            run.__enter__()
        except pytest.skip.Exception:
            self._forget_folder()
            raise
        except HilError as failure:
            self._forget_folder()
            raise failure.with_traceback(None) from None  # its message says where it is
        self._run = run
        self._need_capabilities(run)
        return run

    @property
    def _recordings(self) -> Path:
        config = self._item.config
        return Path(config.getoption("--hil-recordings") or config.rootpath / "runs" / "pytest")

    def _need_boards(self) -> None:
        """Skip the test if the bench has too few boards for it. Raises: ConfigError."""
        __tracebackhide__ = True
        if why := self._settings.too_few_boards:
            pytest.skip(why)

    def _need_nodes(self, run: SteppedRun) -> None:
        """Skip the test if its rig has too few nodes; its scenario says how many it has."""
        __tracebackhide__ = True
        rig, wanted = run.scenario.rig, self._settings.needs.nodes
        if len(rig.nodes) < wanted:
            pytest.skip(
                f"hil_needs: {wanted} nodes, the rig of {run.scenario.name} has {len(rig.nodes)}"
            )

    def node_name(self, name: str) -> str:
        """Return the name in the run of the node that a test names: where the boards of a bench
        have other names than the nodes of the scenario, that of the board in its place."""
        return self._boards_of.get(name, name)

    def _forget_folder(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None

    def _need_capabilities(self, run: SteppedRun) -> None:
        """Skip the test if a board lacks a capability."""
        __tracebackhide__ = True
        wanted = self._settings.needs.capabilities
        for node in run.nodes:
            if missing := [word for word in wanted if word not in node.can]:
                pytest.skip(f"hil_needs: the board of node {node.name} lacks {', '.join(missing)}")

    def finish(self) -> RunResult:
        """End the run, once all its frames were run, and return its result."""
        run = self.open()
        self._leave()
        return run.result

    def judge(self, wanted: WantedMetrics, outcome: str | None = None) -> str:
        """Return what is wrong with the run at its end, for people; empty if nothing is. The
        outcome that a test has named once holds for all later calls."""
        result = self.finish()
        self._outcome = outcome or self._outcome
        self._judged = True
        own = wanted.evaluate(result.metrics)
        return shortcomings(Run(result.run_dir), result, own, self._outcome)

    def judge_if_ended(self) -> str:
        """Return what is wrong with a run whose frames were all run, unless it was judged before:
        a test that only steps to the end does not pass with a recording that says `fail`."""
        if self._run is None or self._run.frames_left or self._judged:
            return ""
        return self.judge(WantedMetrics({}))

    def close(self, *, passed: bool) -> None:
        """Close the boards and the record. The recording of a test that passed is removed unless
        all are kept. Raises: subclasses of HilError if the rig fails while it is closed."""
        kept = not passed or self._item.config.getoption("--hil-keep-all")
        try:
            self._leave()
        except BaseException:
            kept = True
            raise
        finally:
            self.identity = self._properties(kept=kept)
            if self.folder is not None:
                self.attachments = self._read_reports(self.folder)
                if not kept:
                    shutil.rmtree(self.folder, ignore_errors=True)

    def _read_reports(self, folder: Path) -> list[tuple[str, bytes]]:
        reports = [folder / name for name in _REPORTS]
        seen = "".join(f"{occurrence}\n" for occurrence in self.log.remarkable())
        return [
            *((file.name, file.read_bytes()) for file in reports if file.is_file()),
            ("events.txt", seen.encode("utf-8")),
        ]

    def _leave(self) -> None:
        if self._run is not None and not self._closed:
            self._closed = True
            self._run.__exit__(None, None, None)
            self.log.end_step()

    # --- what reports say ---------------------------------------------------------------------

    @contextmanager
    def action(self, name: str) -> Iterator[None]:
        """Note what the test does in this block, for reports."""
        __tracebackhide__ = True
        begin = _now_ms()
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            self.actions.append(TestAction(name, begin, _now_ms(), failure))

    @property
    def recording(self) -> Run | None:
        """Return the run as recorded; None before the rig was opened."""
        return None if self.folder is None else Run(self.folder)

    @property
    def is_open(self) -> bool:
        """Return whether the rig has been opened."""
        return self._run is not None

    @property
    def described(self) -> str:
        """Return the scenario and the next frame, for people."""
        run = self._run
        if run is None:
            return f"of {self._settings.scenario}, not opened"
        return f"of {run.scenario.name}, before frame {run.frame}"

    def failure(self) -> str:
        """Return what a failure of the test says of its rig; empty before it was opened."""
        run = self._run
        if run is None or self.folder is None:
            return ""
        again = reproduce_line(self._item, run.scenario.seed)
        return failure_text(self.folder, run.frame, self.log.remarkable(), again)

    def _properties(self, *, kept: bool) -> list[tuple[str, str]]:
        """Return what identifies the run, by name; empty before it was opened. `kept`: the
        recording stays."""
        run = self._run
        if run is None:
            return []
        pairs = [
            ("hil_scenario", run.scenario.name),
            ("hil_config_hash", run.config_hash),
            ("hil_seed", str(run.scenario.seed)),
            ("hil_frames", str(run.frame)),
        ]
        if self._closed and run.result.run_digest:
            pairs.append(("hil_run_digest", run.result.run_digest))
        for node in run.nodes:
            words = (node.board, node.arch, node.model, node.agent_version, node.serial)
            pairs.append((f"hil_board_{node.name}", " ".join(filter(None, words))))
        if kept:
            pairs.append(("hil_recording", str(self.folder)))
        return pairs


def boards_in_place(nodes: Sequence[str], boards: Sequence[str]) -> dict[str, str]:
    """Return the board in the place of each node of a scenario, by the name of the node; none where
    a name would stand for two boards."""
    places = dict(zip(nodes, boards, strict=False))
    unique = all(node not in boards or node == board for node, board in places.items())
    return places if unique else {}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
