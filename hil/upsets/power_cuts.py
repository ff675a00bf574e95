"""Power cuts: switching boards off as faults, and verifying that they lost their power.

A cut counts as injected when the board or its supply shows the loss of power, never because it was
ordered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from hil.errors import SetupError
from hil.rig.background_call import BackgroundCall
from hil.rig.node import (
    EXCLUDED,
    SILENT,
    AgentStart,
    Node,
    NodeResult,
    PowerCut,
    power_cut_had_no_effect,
)
from hil.rig.rig import Rig
from hil.scenario import BoardAction
from hil.upsets.upset import Upset
from hil.wire.messages import UpsetState

__all__ = ["PowerCuts"]

_ASK_EVERY_US: Final = 100_000
_SWITCHING_MAX_S: Final = 60.0
"""The longest that the end of a run waits for a supply that still switches or measures."""


@dataclass(slots=True)
class _Cut:
    """One power cut of a node: its time [us], and the agent's start that it should have ended.

    `switching`: the supply switches the board off, beside the run; `silence`: why the board did not
    answer, once it counts as silent; `asking`: the supply is asked whether it gives power."""

    upset: Upset
    at_us: int
    agent_start: AgentStart
    switching: BackgroundCall[None] | None = None
    silence: str | None = None
    asking: BackgroundCall[bool | None] | None = None


class PowerCuts:
    """The power cuts of one run on one rig. `note` takes remarks for the record.

    `returning`: (frame, node) of boards whose power is to be switched on again."""

    def __init__(self, rig: Rig, note: Callable[[str], None]) -> None:
        self._rig = rig
        self._note = note
        self._by_name = rig.by_name
        self._cuts: dict[str, _Cut] = {}
        self.returning: list[tuple[int, str]] = []

    def cut(self, node: Node, upset: Upset) -> None:
        """Switch the power of a node off. A software board is known to be off then. The link of
        any other board stays open, it receives requests as before, and the upset stays armed until
        the board shows that it lost its power (see `collect`)."""
        plan = upset.plan
        if not node.powered:
            upset.refuse("the board has no power")
            return
        if self._would_show_nothing(node):
            upset.refuse(
                "the board was silent before, so nothing would show that it lost its power"
            )
            return
        cut = _Cut(upset, self._rig.clock.now_us(), node.agent_start)
        if node.board.can_return:  # its supply may take seconds
            cut.switching = BackgroundCall(
                node.board.power_off, f"switches {node.name} off", self._rig.clock
            )
        else:
            try:
                node.board.power_off()
            except SetupError as error:
                upset.refuse(error.message)
                return
        node.power_cuts.add(PowerCut.UPSET)
        self._cuts[node.name] = cut
        if node.capabilities.has_power is False:
            node.link.detach("no power")
            upset.confirm()
        if plan.returns_after_frames is not None:
            self.returning.append((plan.frame + plan.returns_after_frames, node.name))

    def collect(self, node: Node, upset: Upset, result: NodeResult) -> None:
        """Take what the board shows after its power was cut:

        another boot id, or an uptime that was reset    it lost its power: injected
        no answer until it counts as silent             injected, unless its supply denies it
        an answer of the same agent, after the hold-up
        time of the board's capacitors                  the cut had no effect: failed
        """
        cut = self._cuts[node.name]
        if result.rebooted or not cut.agent_start.is_same_start(node.agent_start):
            upset.confirm()
        elif result.status == SILENT:
            if not result.late:
                self._is_silent(node, cut, result.reason)
        elif cut.switching is not None and not cut.switching.done:
            return
        elif (refusal := _error_of(cut.switching)) is not None:
            upset.refuse(refusal)
            self._forget(node)
        elif result.status != EXCLUDED and self._rig.clock.now_us() >= self._dark_at_us(node, cut):
            # Its answer to a step does not contain its boot id: only a HELLO does.
            if self._rig.greeting(node, self._rig.requests.timing.lost_after_us):
                self._compare(node, upset, cut)

    @property
    def any_followed(self) -> bool:
        """Return whether there are power cuts that `poll` may decide on."""
        return bool(self._cuts)

    def poll(self) -> list[Upset]:
        """Take what supplies have answered beside the run. Returns the upsets that counted as
        injected because their board fell silent, and were not: that silence has another cause."""
        denied: list[Upset] = []
        for name, cut in list(self._cuts.items()):
            if cut.silence is not None and self._is_denied(self._by_name[name], cut):
                denied.append(cut.upset)
        return denied

    def close(self, uncollected: Iterable[Upset]) -> list[Upset]:
        """Verify the cuts that are still undecided at the end of the run; return what `poll`
        does."""
        for upset in uncollected:
            # One whose board has returned after the last frame is decided already.
            if upset.plan.kind is BoardAction.POWER_LOSS and upset.plan.node in self._cuts:
                self._decide_now(self._by_name[upset.plan.node], upset)
        denied: list[Upset] = []
        for _ in range(2):  # what was switched, then what its supply measures
            for cut in self._cuts.values():
                for call in (cut.switching, cut.asking):
                    if cut.silence is not None and call is not None:
                        call.wait(_SWITCHING_MAX_S)
            denied += self.poll()
        return denied

    def _decide_now(self, node: Node, upset: Upset) -> None:
        cut, patience_us = self._cuts[node.name], self._rig.requests.timing.lost_after_us
        if cut.switching is not None:
            cut.switching.wait(_SWITCHING_MAX_S)
        if (refusal := _error_of(cut.switching)) is not None:
            upset.refuse(refusal)
            self._forget(node)
            return
        while self._rig.clock.now_us() < self._dark_at_us(node, cut):
            self._rig.clock.sleep_us(_ASK_EVERY_US)
        if self._rig.greeting(node, patience_us):
            self._compare(node, upset, cut)
        else:
            self._is_silent(node, cut, node.link.silence)

    def on_reconnected(self, node: Node) -> Upset | None:
        """Take the HELLO of a board that was absent. Returns the upset that this shows not to have
        been injected: its board fell silent, but the same agent answers again."""
        cut = self._cuts.pop(node.name, None)
        if cut is None:
            return None
        if not cut.agent_start.is_same_start(node.agent_start):
            if cut.upset.state is UpsetState.ARMED:
                cut.upset.confirm()
            return None
        self._cuts[node.name] = cut
        self._fail_without_effect(node, cut.upset)
        return cut.upset

    def pop_due(
        self, frame: int, may_wake: Callable[[int, str], bool] = lambda _frame, _name: True
    ) -> list[str]:
        """Return the nodes whose power is to be on again in `frame`; no upset keeps it off any
        more. Those that `may_wake` refuses stay off, and are asked for again in the next frame."""
        due = [name for at, name in self.returning if at <= frame and may_wake(frame, name)]
        self.returning = [
            (at, name) for at, name in self.returning if at > frame or name not in due
        ]
        for name in due:
            self._by_name[name].power_cuts.discard(PowerCut.UPSET)
        return due

    def not_restored(self, frame: int) -> list[str]:
        """Return the nodes whose power was cut, is to be on again by `frame`, which follows the
        last one, and whose boards have not been heard since. Nothing keeps their power off."""
        self.pop_due(frame)
        return [
            name
            for name, cut in self._cuts.items()
            if self._by_name[name].powered
            and cut.agent_start.is_same_start(self._by_name[name].agent_start)
        ]

    def end(self, name: str) -> None:
        """End the power cut of a node before its planned end."""
        self.returning = [(at, other) for at, other in self.returning if other != name]
        self._by_name[name].power_cuts.discard(PowerCut.UPSET)

    def _dark_at_us(self, node: Node, cut: _Cut) -> int:
        began_us = cut.at_us if cut.switching is None else max(cut.at_us, cut.switching.ended_us)
        return began_us + node.capabilities.hold_up_us

    def _compare(self, node: Node, upset: Upset, cut: _Cut) -> None:
        """Decide by the boot id that the board has just reported."""
        if cut.agent_start.is_same_start(node.agent_start):
            self._fail_without_effect(node, upset)
        else:
            upset.confirm()

    def _is_silent(self, node: Node, cut: _Cut, why: str) -> None:
        """Count the cut as injected. If something else may know better, that is asked (`poll`)."""
        cut.upset.confirm(why)
        if cut.switching is not None or node.capabilities.power is not None:
            cut.silence = why

    def _is_denied(self, node: Node, cut: _Cut) -> bool:
        """Return whether the cut of a silent board has failed after all; if it is not known yet,
        ask for it."""
        power = node.capabilities.power
        if cut.switching is not None and not cut.switching.done:
            return False
        if (error := _error_of(cut.switching)) is not None:
            cut.upset.fail(error)
            self._forget(node)
            return True
        if cut.asking is None and power is not None:
            cut.asking = BackgroundCall(
                power.gives_power, f"asks the supply of {node.name}", self._rig.clock
            )
        if cut.asking is not None and not cut.asking.done:
            return False
        why, cut.silence = cut.silence, None
        if cut.asking is None or _error_of(cut.asking) is not None or not cut.asking.result:
            return False
        cut.upset.fail(f"{why}, but its supply still gives power")
        return True

    def _forget(self, node: Node) -> None:
        """Forget a cut that did not take place: the board has its power."""
        del self._cuts[node.name]
        self.end(node.name)

    def _would_show_nothing(self, node: Node) -> bool:
        """Return whether neither the board, which is silent, nor its supply can show a cut. A board
        whose last answer is late is asked once more: it may only be slow."""
        if node.capabilities.has_power is not None or self._is_measured(node):
            return False
        if node.link.connected and not node.link.unanswered_since_us:
            return False
        return not self._rig.greeting(node, self._rig.requests.timing.retry_us)

    def _is_measured(self, node: Node) -> bool:
        power = node.capabilities.power
        try:
            return power is not None and power.gives_power() is not None
        except SetupError:
            return False

    def _fail_without_effect(self, node: Node, upset: Upset) -> None:
        upset.fail(power_cut_had_no_effect(node))
        self._forget(node)
        self._note(power_cut_had_no_effect(node))


def _error_of(call: BackgroundCall[None] | BackgroundCall[bool | None] | None) -> str | None:
    """Return how a call that is done has failed; None if it has not, or there is none."""
    if call is None or not call.done:
        return None
    try:
        _ = call.result
    except SetupError as error:
        return error.message
    return None
