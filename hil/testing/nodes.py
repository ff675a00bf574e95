"""The fixtures `node` and `inject`: a node of the rig, and an upset that a test has ordered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol

from hil.testing.conditions import OUTCOMES, Condition, checked, state, upset
from hil.testing.occurrences import OccurrenceKind
from hil.testing.settings import check_capabilities

if TYPE_CHECKING:
    from hil.api import SteppedNode
    from hil.json_values import JsonValue
    from hil.testing.occurrences import Occurrence

__all__ = ["NodeOfTest", "OrderedUpset"]


class RigCalls(Protocol):
    """The part of `hil.testing.rig.RigOfTest` that nodes and upsets use."""

    @property
    def seen(self) -> Sequence[Occurrence]: ...
    def node_now(self, name: str) -> SteppedNode: ...
    def order(self, command: str, **arguments: JsonValue) -> str: ...
    def order_upset(self, command: str, **arguments: JsonValue) -> OrderedUpset: ...
    def inject(self, node: str, target: str, **keys: JsonValue) -> OrderedUpset: ...
    def await_event(self, condition: Condition, *, within_frames: int) -> Occurrence: ...
    def await_any(
        self, conditions: Sequence[Condition], *, within_frames: int, what: str = ""
    ) -> Occurrence: ...
    def fail(self, message: str) -> NoReturn: ...


class OrderedUpset:
    """An upset that a test has ordered. `number` is that in the record."""

    def __init__(self, rig: RigCalls, number: int) -> None:
        self._rig = rig
        self.number = number

    @property
    def effect(self) -> str:
        """Return its effect on the node so far, such as `sdc`; empty before it has one."""
        return self._last("effect")

    @property
    def outcome(self) -> str:
        """Return its outcome for the system, such as `corrected`; empty before it is settled."""
        return self._last("outcome")

    @property
    def state(self) -> str:
        """Return `injected`, or what else became of the order; empty before the next frame."""
        return self._last("state")

    def await_outcome(self, outcome: str, *, within_frames: int) -> Occurrence:
        """Run frames until the upset has its outcome, and fail unless it is this one."""
        __tracebackhide__ = True
        checked(outcome, OUTCOMES, "outcome of upsets")
        if not self.outcome:
            settled = (
                Condition(OccurrenceKind.UPSET, fields=(("number", self.number), ("outcome", word)))
                for word in OUTCOMES
            )
            what = f"an outcome of upset {self.number}"
            self._rig.await_any(tuple(settled), within_frames=within_frames, what=what)
        seen = next(o for o in reversed(self._rig.seen) if self._is_mine(o))
        if self.outcome != outcome:
            self._rig.fail(f"expected the outcome {outcome} of upset {self.number}; {seen}")
        return seen

    def _last(self, name: str) -> str:
        for seen in reversed(self._rig.seen):
            if self._is_mine(seen):
                return str(seen.fields[name])
        return ""

    def _is_mine(self, seen: Occurrence) -> bool:
        return upset(number=self.number).holds(seen)


class NodeOfTest:
    """A node of the rig, by its name. Orders take effect before the next frame; the run refuses
    what is not possible then. Raises: UsageError from every order that is refused."""

    def __init__(self, rig: RigCalls, name: str) -> None:
        self._rig = rig
        self.name = name

    def __repr__(self) -> str:
        return f"<node {self.name} of {self._rig!r}>"

    @property
    def now(self) -> SteppedNode:
        """Return the node as it is now: its state, and what is known of its board."""
        return self._rig.node_now(self.name)

    @property
    def state(self) -> str:
        """Return its state of recovery, such as `voting` or `isolated`."""
        return self.now.state

    def can(self, *capabilities: str) -> bool:
        """Return whether its board has all these capabilities, as of the marker `hil_needs`.
        Raises: UsageError for an unknown one, or for none."""
        __tracebackhide__ = True
        check_capabilities(capabilities, f"can of node {self.name}")
        return self.now.can.issuperset(capabilities)

    def inject(self, target: str, **keys: JsonValue) -> OrderedUpset:
        """Inject an upset in the next frame; keys as in a scenario's event, such as `bit=7`."""
        __tracebackhide__ = True
        return self._rig.inject(self.name, target, **keys)

    def cut_power(self, returns_after_frames: int | None = None) -> OrderedUpset:
        """Cut its power before the next frame. Without a number of frames it returns only with
        `power_on`."""
        __tracebackhide__ = True
        frames = returns_after_frames
        more = {} if frames is None else {"returns_after_frames": frames}
        return self._rig.order_upset("cut_power", node=self.name, **more)

    def power_on(self) -> None:
        """Switch its power on again."""
        __tracebackhide__ = True
        self._rig.order("power_on", node=self.name)

    def reset(self) -> None:
        """Reset its agent, then reintegrate the node."""
        __tracebackhide__ = True
        self._rig.order("reset", node=self.name)

    def restart(self) -> None:
        """Restart its worker, then reintegrate the node."""
        __tracebackhide__ = True
        self._rig.order("restart", node=self.name)

    def isolate(self) -> None:
        """Exclude it from the vote until `reintegrate`."""
        __tracebackhide__ = True
        self._rig.order("isolate", node=self.name)

    def reintegrate(self) -> None:
        """Repair it after `isolate`, then let it vote."""
        __tracebackhide__ = True
        self._rig.order("reintegrate", node=self.name)

    def await_state(self, word: str, *, within_frames: int) -> Occurrence:
        """Run frames until it changes to this state; that it is in it already is not enough:
        `state` says what it is now."""
        __tracebackhide__ = True
        return self._rig.await_event(state(word, node=self.name), within_frames=within_frames)
