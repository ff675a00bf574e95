"""The fixture `rig`: the run of a test, which stands still until the test lets it run on.

All waits count frames, never time: on software boards a test gives the same result each time. An
await looks at the frames that it runs itself, and at the rest of the frame in which the await
before it ended; so two awaits find two things that happened in one frame, in their order, and
nothing that happened before a step is taken for its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hil.api import (
    Answer,
    Run,
    RunOptions,
    SteppedNode,
    SteppedRun,
    UpsetOrdered,
)
from hil.errors import UsageError
from hil.json_values import JsonValue
from hil.testing.conditions import STATES, VERDICTS, Condition, checked, state, verdict
from hil.testing.judgement import RUN_OUTCOMES
from hil.testing.nodes import NodeOfTest, OrderedUpset
from hil.testing.occurrences import Occurrence, OccurrenceKind
from hil.testing.session import RigSession
from hil.testing.wanted_metrics import WantedMetrics

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RigAssertionError", "RigOfTest"]


class RigAssertionError(AssertionError):
    """Something did not happen in a run as a test expects it."""


class RigOfTest:
    """The run of one test; boards are opened at its first use. Not thread-safe.

    Raises: UsageError for what is not possible in the run as it is; other subclasses of HilError if
    the rig itself fails; RigAssertionError if the run is not as expected."""

    def __init__(self, session: RigSession) -> None:
        self._session = session
        self._forbidden: list[Condition] = []

    def load(self, scenario: str | Path | None = None, **options: Unpack[RunOptions]) -> RigOfTest:
        """Choose the scenario, or options of `hil.run` such as `seed` and `frames`, in place of the
        marker; before the rig is used."""
        __tracebackhide__ = True
        self._session.load(scenario, options)
        return self

    def __repr__(self) -> str:
        return f"<rig {self._session.described}>"

    # --- what the run is like now -------------------------------------------------------------

    @property
    def frame(self) -> int:
        """Return the number of the next frame."""
        return self._run.frame

    @property
    def frames_left(self) -> int:
        """Return how many frames of the scenario are left."""
        return self._run.frames_left

    @property
    def seen(self) -> Sequence[Occurrence]:
        """Return all that has happened, in order."""
        return self._session.log.seen

    @property
    def recording(self) -> Run:
        """Return the record of the run up to now, as of `hil.open_run`."""
        self._run.save_if_open()
        recording = self._session.recording
        assert recording is not None, "an open run has a folder"
        return recording

    @property
    def nodes(self) -> tuple[NodeOfTest, ...]:
        """Return the nodes, in their order."""
        return tuple(NodeOfTest(self, node.name) for node in self._run.nodes)

    def node(self, name: str) -> NodeOfTest:
        """Return a node. Raises: UsageError if there is none of this name."""
        __tracebackhide__ = True
        return NodeOfTest(self, self.node_now(name).name)

    def node_now(self, name: str) -> SteppedNode:
        """Return what a node is like now. Raises: UsageError if there is none of this name."""
        __tracebackhide__ = True
        nodes = {node.name: node for node in self._run.nodes}
        known = self._session.node_name(name)
        if known not in nodes:
            raise UsageError(f"there is no node {name!r}; the rig has {', '.join(nodes)}")
        return nodes[known]

    # --- steps and orders ---------------------------------------------------------------------

    def step(self, frames: int = 1) -> int:
        """Run so many frames, and return the number of the next one. Raises: RigAssertionError if
        the scenario has too few left."""
        __tracebackhide__ = True
        if frames < 1:
            raise ValueError(f"step({frames}): expected a number of frames from 1 on")
        with self._session.action(f"step {frames} frames"):
            done = self._advance(frames)
            if done < frames:
                self.fail(f"only {done} of {frames} frames were left in the scenario")
            self._session.log.pass_all()
        return self._run.frame

    def run(self, *, outcome: str | None = None) -> Run:
        """Run all frames that are left, end the run, and return its record. As `hil run`, it fails
        if an expectation of the scenario was not met, or a board was lost, unless the test names
        that outcome: `rig.run(outcome="fail")`."""
        __tracebackhide__ = True
        _check_outcome(outcome)
        with self._session.action("run to the end"):
            self._judge(WantedMetrics({}), outcome)
        return self.recording

    def order(self, command: str, **arguments: JsonValue) -> str:
        """Give an order of `hil control` before the next frame; return the answer of the run.
        Raises: UsageError if the run refuses it."""
        __tracebackhide__ = True
        with self._session.action(_called(command, arguments)):
            answer = self._answer(command, arguments)
            self._check_forbidden()
            return answer.text

    def order_upset(self, command: str, **arguments: JsonValue) -> OrderedUpset:
        """Give an order that makes an upset, and return that. Raises: UsageError."""
        __tracebackhide__ = True
        with self._session.action(_called(command, arguments)):
            data = self._answer(command, arguments).data
            assert isinstance(data, UpsetOrdered), "these orders are answered with their upset"
            return OrderedUpset(self, data.upset)

    def inject(self, node: str, target: str, **keys: JsonValue) -> OrderedUpset:
        """Inject an upset in the next frame; keys as in a scenario's event: `bit=7`,
        `pattern="adjacent"`, `tick=3`, `sefi="hang"`. Raises: UsageError if it is not possible."""
        __tracebackhide__ = True
        return self.order_upset("inject", node=node, target=target, **keys)

    # --- awaits -------------------------------------------------------------------------------

    def await_verdict(
        self, word: str, *, node: str | None = None, within_frames: int
    ) -> Occurrence:
        """Run frames until this verdict, and return it. Of a frame: `unanimous`, `majority`, ...,
        with `node`: from which that node deviates. Of a node by its recovery, with `node`:
        `isolated`, `reintegrating`, `voting`, ...: it changes to that state."""
        __tracebackhide__ = True
        if word in STATES and node is None:
            raise ValueError(f"{word!r} is a verdict on a node: name it with node=")
        checked(word, VERDICTS + STATES, "verdict")
        condition = state(word, node=node) if word in STATES else verdict(word, node=node)
        return self.await_event(condition, within_frames=within_frames)

    def await_event(self, condition: Condition, *, within_frames: int) -> Occurrence:
        """Run frames until the condition is met, and return what met it."""
        __tracebackhide__ = True
        return self.await_any((condition,), within_frames=within_frames, what=str(condition))

    def await_any(
        self, conditions: Sequence[Condition], *, within_frames: int, what: str = ""
    ) -> Occurrence:
        """Run frames until one of the conditions is met, and return what met it; `what` names them
        in failures."""
        __tracebackhide__ = True
        _check_given("await_any", conditions)
        what = what or " or ".join(str(condition) for condition in conditions)
        with self._session.action(f"await {what}"):
            seen, first = self._await(conditions, within_frames), self._run.frame
            if seen is None:
                self.fail(
                    f"{what}: not seen within {within_frames} frames{self._why(first, conditions)}"
                )
        return seen

    def await_sequence(self, *conditions: Condition, within_frames: int) -> tuple[Occurrence, ...]:
        """Run frames until all conditions were met, one after the other in this order, within so
        many frames together. Other things may happen in between."""
        __tracebackhide__ = True
        _check_given("await_sequence", conditions)
        found: list[Occurrence] = []
        with self._session.action(" -> ".join(str(condition) for condition in conditions)):
            last = self._run.frame + within_frames
            for number, condition in enumerate(conditions, 1):
                seen = self._await((condition,), last - self._run.frame)
                if seen is None:
                    done = "".join(f"\n  {number}. {o}" for number, o in enumerate(found, 1))
                    self.fail(
                        f"step {number} of {len(conditions)}, {condition}: not seen within "
                        f"{within_frames} frames{self._why(self._run.frame, (condition,))}{done}"
                    )
                found.append(seen)
        return tuple(found)

    def forbid(self, *conditions: Condition) -> None:
        """Fail in the first frame from now on in which one of these conditions is met."""
        __tracebackhide__ = True
        _check_given("forbid", conditions)
        conditions = self._on_nodes(conditions)
        if not self._forbidden:
            self._session.log.begin_to_forbid()
        self._forbidden += conditions

    # --- the whole run ------------------------------------------------------------------------

    def expect(
        self,
        expectations: Mapping[str, str | float] | None = None,
        *,
        outcome: str | None = None,
        **metrics: str | float,
    ) -> None:
        """Run all frames that are left, and judge the whole run: each metric of `expect:` in a
        scenario, with a number or a comparison: `rig.expect(sdc_escaped=0, availability=">=
        0.99")`, `rig.expect({"upsets.injected": ">= 10"})`.

        The expectations of the scenario are judged too. A test of a run that does not meet them
        names the outcome that the recording then has: `rig.expect(sdc_escaped=">= 1",
        outcome="fail")`; the run fails the test if it has another one."""
        __tracebackhide__ = True
        _check_outcome(outcome)
        given = {**(expectations or {}), **metrics}
        expected = WantedMetrics(given)
        with self._session.action("expect " + ", ".join(f"{m} {w}" for m, w in given.items())):
            self._judge(expected, outcome)

    def fail(self, message: str) -> NoReturn:
        """Fail the test. Raises: RigAssertionError."""
        __tracebackhide__ = True
        raise RigAssertionError(message)

    # --- within -------------------------------------------------------------------------------

    @property
    def _run(self) -> SteppedRun:
        __tracebackhide__ = True
        return self._session.open()

    def _answer(self, command: str, arguments: Mapping[str, JsonValue]) -> Answer:
        __tracebackhide__ = True
        run = self._run
        if isinstance(name := arguments.get("node"), str):
            arguments = {**arguments, "node": self._session.node_name(name)}
        try:
            return run.order(command, **arguments)
        except UsageError as refused:  # the line of the test is what matters, not where it is found
            raise refused.with_traceback(None) from None

    def _judge(self, expected: WantedMetrics, outcome: str | None) -> None:
        """Run all frames that are left, end the run, and judge it."""
        __tracebackhide__ = True
        self._advance(self._run.frames_left)
        self._session.finish()
        self._check_forbidden()
        if wrong := self._session.judge(expected, outcome):
            self.fail(wrong)

    def _advance(self, frames: int) -> int:
        """Run frames, one after the other while something is forbidden; return how many."""
        __tracebackhide__ = True
        done = 0
        while done < frames:
            ran = self._run_on(1 if self._forbidden else frames - done)
            done += ran
            self._check_forbidden()
            if not ran:
                break
        self._run.save_if_open()
        return done

    def _run_on(self, frames: int) -> int:
        __tracebackhide__ = True
        run, log = self._run, self._session.log
        log.stepping = True
        try:
            return run.step(frames, save=False)
        finally:
            log.end_step()

    def _await(self, conditions: Sequence[Condition], within_frames: int) -> Occurrence | None:
        """Run single frames until a condition is met; None if none is."""
        __tracebackhide__ = True
        if within_frames < 0:
            raise ValueError(f"within_frames={within_frames}: expected a number from 0 on")
        log = self._session.log
        conditions = self._on_nodes(conditions)
        seen = log.take(conditions)
        for _ in range(within_frames):
            if seen is not None or not self._run_on(1):
                break
            self._check_forbidden()
            seen = log.take(conditions)
        self._run.save_if_open()
        return seen

    def _on_nodes(self, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
        """Open the rig, so that what happens is logged, and return the conditions with the names
        that the nodes have in the run. Raises: UsageError for a node that it does not have."""
        __tracebackhide__ = True
        self._run  # noqa: B018
        named = []
        for condition in conditions:
            node = condition.node
            if node is not None:
                node = self.node_now(node).name
            named.append(replace(condition, node=node))
        return tuple(named)

    def _check_forbidden(self) -> None:
        __tracebackhide__ = True
        if self._forbidden and (met := self._session.log.forbidden(self._forbidden)):
            self._run.save_if_open()
            self.fail(f"forbidden: {met[0]}; {met[1]}")

    def _why(self, now: int, conditions: Sequence[Condition]) -> str:
        """Return what explains that a condition was not met, for a failure."""
        if self._run.ended:
            return f": the scenario ended after frame {now - 1}"
        text = f", up to frame {now - 1}" if now else ", before the first frame"
        for condition in conditions:
            if condition.kind is OccurrenceKind.STATE and condition.node:
                is_now = self.node_now(condition.node).state
                if is_now == condition.word:
                    return f"{text}: node {condition.node} was {is_now} before, and did not change"
                return f"{text}: node {condition.node} is {is_now}"
        return text


def _check_outcome(outcome: str | None) -> None:
    __tracebackhide__ = True
    checked(outcome, RUN_OUTCOMES, "outcome of runs")


def _check_given(call: str, conditions: Sequence[Condition]) -> None:
    """Check that there is a condition. Raises: ValueError if there is none: the call would do
    nothing."""
    __tracebackhide__ = True
    if not conditions:
        raise ValueError(f"{call}(): expected at least one condition, such as verdict('majority')")


def _called(command: str, arguments: Mapping[str, JsonValue]) -> str:
    return " ".join([command, *(f"{name}={value}" for name, value in arguments.items())])
