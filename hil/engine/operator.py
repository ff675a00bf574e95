"""Operator commands: what each does to the run, between two frames.

The loop calls `Operator.poll` once a frame, which returns whether to run the next frame, to poll
again (paused, or the next frame is not due yet), or to end. Every valid command is recorded in the
table `commands`, carried out or refused. A board that does not survive a command is repaired or
isolated like any other."""

from __future__ import annotations

import enum
import json
from dataclasses import replace
from functools import singledispatchmethod
from typing import Final

from hil.control.answers import Answer, NodeInRun, RunStatus, UpsetOrdered
from hil.control.commands import (
    AcknowledgeAlarm,
    CutPower,
    EndRun,
    InjectUpset,
    IsolateNode,
    OperatorCommand,
    PauseRun,
    ReintegrateNode,
    ReportStatus,
    ResetBoard,
    RestartWorker,
    ResumeRun,
    SetPace,
    SwitchPowerOn,
    WriteNote,
)
from hil.control.inbox import Inbox, Order
from hil.engine.run_controls import RunControls
from hil.errors import ConfigError, Problem, SetupError
from hil.json_values import JsonKey
from hil.redundancy.recovery import NodeState
from hil.rig.node import Node
from hil.scenario import UpsetTarget, ordered_event, parse_pace

__all__ = ["NextStep", "Operator"]

_POLL_US: Final = 100_000
_SPARE_US: Final = 2_000
"""The end of a wait is left to the pacer, which is more precise than a wait for commands."""
_ORDERS_MAX: Final = 16
"""The most commands between two frames: a client that sends more does not delay the next one."""
_OF_THE_HOST: Final = frozenset({UpsetTarget.LINK, UpsetTarget.TIMING})
"""Targets that no board has to be able to hit."""
_BACK: Final = frozenset({NodeState.VOTING, NodeState.REINTEGRATING})


class NextStep(enum.Enum):
    """The next step of the loop."""

    GO = "go"
    WAIT = "wait"
    END = "end"


class _Refused(Exception):
    """The command is not possible in the present state of the run; never leaves this module."""


class Operator:
    """Carries out the commands that arrive in `inbox`. `paused`: no frames are run; `ended`: who
    ended the run, or empty. Not thread-safe; other threads put commands into `inbox`."""

    def __init__(self, controls: RunControls, inbox: Inbox) -> None:
        self._controls = controls
        self._inbox = inbox
        self.paused = False
        self.ended = ""
        self._who = ""
        self._number = 0
        self._nodes = controls.rig.by_name

    def poll(self) -> NextStep:
        """Carry out the commands that have arrived; return what the loop does next. Before WAIT is
        returned, up to 0.1 s have passed in which nothing was due."""
        if self._inbox:
            self.carry_out_commands()
        if self.ended:
            return NextStep.END
        if self.paused:
            self._inbox.wait(_POLL_US / 1e6)
            self._controls.record.commit()  # no frame does it while the run is paused
            return NextStep.WAIT
        early_us = self._controls.pacer.early_us
        if early_us > _SPARE_US:
            self._inbox.wait(min(early_us - _SPARE_US, _POLL_US) / 1e6)
            return NextStep.WAIT
        return NextStep.GO

    def carry_out_commands(self) -> None:
        """Carry out the commands that have arrived, up to 16 of them."""
        for _ in range(_ORDERS_MAX):
            order = self._inbox.take()
            if order is None or self.ended:
                break
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        request, record, frame = order.request, self._controls.record, self._frame
        described = request.command.command
        self._who = order.peer.name
        self._number = record.tally.last_command() + 1
        try:
            answer = self._handle(request.command)
        except _Refused as why:
            answer = Answer(False, str(why), "refused")
        if described.recorded:
            record.command(
                frame,
                (order.peer.name, order.peer.uid, order.peer.pid),
                described.name,
                json.dumps(request.command.as_json()),
                ok=answer.ok,
                answer=answer.text,
            )
            record.commit()  # the client finds it in the record when it gets the answer
        number = self._number if described.recorded else None
        order.reply(replace(answer, id=request.id, number=number, frame=frame))

    @property
    def _frame(self) -> int:
        """Return the frame before which commands are carried out now."""
        return self._controls.next_frame

    @property
    def _cause(self) -> str:
        return f"operator {self._number}"

    def _node(self, name: str) -> Node:
        try:
            return self._nodes[name]
        except KeyError:
            raise _Refused(
                f"there is no node {name}; the rig has {', '.join(self._nodes)}"
            ) from None

    def _state(self, node: Node) -> NodeState:
        return self._controls.recovery.state(node.name)

    @singledispatchmethod
    def _handle(self, command: OperatorCommand) -> Answer:
        """Carry out a command by the handler of its class, one of those below. Raises: _Refused."""
        raise NotImplementedError(f"no handler for {command}")

    # --- upsets and power ---------------------------------------------------------------------

    @_handle.register
    def _inject(self, command: InjectUpset) -> Answer:
        controls = self._controls
        place = (JsonKey("node", command.node), JsonKey("target", command.target))
        try:
            event = ordered_event((*place, *command.event_keys), controls.scenario, self._frame)
        except ConfigError as error:
            raise _Refused("; ".join(_words(p) for p in error.problems)) from error
        beyond = controls.limits.check_event(event)
        if beyond:
            raise _Refused("; ".join(message for _, message, _ in beyond))
        node, target = self._node(event.node), event.target
        if target is UpsetTarget.BOARD:
            self._can_lose_power(node)
        elif self._state(node) is NodeState.ISOLATED:
            raise _Refused(f"node {node.name} is isolated: nothing is computed there")
        elif target not in _OF_THE_HOST and node.hello and target not in node.hello.targets:
            raise _Refused(f"the board of node {node.name} cannot be hit at {target}")
        id_ = controls.planner.order(event, self._cause)
        what = "loses its power" if target is UpsetTarget.BOARD else f"is hit at {target}"
        return Answer(
            True,
            f"upset {id_}: node {node.name} {what} in frame {self._frame}",
            data=UpsetOrdered(id_),
        )

    @_handle.register
    def _cut_power(self, command: CutPower) -> Answer:
        self._node(command.node)
        frames = command.returns_after_frames
        returns = () if frames is None else (JsonKey("returns_after_frames", frames),)
        return self._inject(InjectUpset(command.node, UpsetTarget.BOARD, returns))

    def _can_lose_power(self, node: Node) -> None:
        if not node.powered:
            raise _Refused(f"node {node.name} has no power")
        if not node.board.can_cycle:
            raise _Refused(f"the power of node {node.name} cannot be switched from here")

    @_handle.register
    def _switch_power_on(self, command: SwitchPowerOn) -> Answer:
        controls, node = self._controls, self._node(command.node)
        if node.powered:
            raise _Refused(f"node {node.name} has power")
        self._must_not_be_shed(node)
        held = controls.recovery.is_held(node.name)
        if held:  # on, but left alone
            try:
                node.board.power_cycle()
            except SetupError as error:
                raise _Refused(error.message) from error
        controls.injector.power.end(node.name)
        controls.carry_out(self._frame, controls.recovery.on_power_restored(self._frame, node.name))
        state = "isolated until it is re-integrated" if held else self._state(node).value
        return Answer(True, f"node {node.name} has power again, and is {state}")

    # --- nodes --------------------------------------------------------------------------------

    @_handle.register
    def _reset(self, command: ResetBoard) -> Answer:
        return self._rung(command.node, NodeState.RESET)

    @_handle.register
    def _restart(self, command: RestartWorker) -> Answer:
        return self._rung(command.node, NodeState.RESTART)

    def _rung(self, name: str, rung: NodeState) -> Answer:
        node = self._node(name)
        self._must_be_reachable(node)
        if self._state(node) is NodeState.ISOLATED:
            raise _Refused(f"node {name} is isolated; reintegrate gives it a new worker, too")
        controls = self._controls
        actions = controls.recovery.order(self._frame, name, rung, self._cause)
        controls.carry_out(self._frame, actions)
        return self._came_back(node)

    def _must_not_be_shed(self, node: Node) -> None:
        if self._controls.recovery.is_shed(node.name):
            raise _Refused(f"the plant took node {node.name} out, and brings it back when it can")

    def _must_be_reachable(self, node: Node) -> None:
        self._must_not_be_shed(node)
        if not node.powered:
            raise _Refused(f"node {node.name} has no power; power_on first")
        if not self._controls.can_repair:
            raise _Refused("no frame was run yet: there is nothing to heal from")

    def _came_back(self, node: Node) -> Answer:
        state = self._state(node)
        ok = state in _BACK
        if node.name in self._controls.rig.reconnector.searched_for:
            return Answer(True, f"node {node.name} does not answer yet; it is looked for")
        return Answer(ok, f"node {node.name} is {state.value}", "" if ok else "refused")

    @_handle.register
    def _isolate(self, command: IsolateNode) -> Answer:
        recovery, node = self._controls.recovery, self._node(command.node)
        if recovery.is_held(node.name):
            raise _Refused(f"node {node.name} is isolated already")
        if recovery.in_service == (node.name,):
            raise _Refused(f"node {node.name} is the last one in service; end the run instead")
        recovery.isolate(self._frame, node.name, self._cause)
        self._controls.carry_out(self._frame, ())
        return Answer(True, f"node {node.name} is isolated until it is re-integrated")

    @_handle.register
    def _reintegrate(self, command: ReintegrateNode) -> Answer:
        controls, node = self._controls, self._node(command.node)
        if self._state(node) is not NodeState.ISOLATED:
            raise _Refused(f"node {node.name} is not isolated, but {self._state(node).value}")
        if controls.recovery.is_held(node.name) and controls.recovery.is_shed(node.name):
            controls.recovery.reintegrate(self._frame, node.name, NodeState.RESTART, self._cause)
            return Answer(True, f"node {node.name} comes back as soon as the plant lets it")
        self._must_be_reachable(node)
        first = NodeState.RESTART if node.link.connected else NodeState.POWER_CYCLE
        controls.carry_out(
            self._frame,
            controls.recovery.reintegrate(self._frame, node.name, first, self._cause),
        )
        return self._came_back(node)

    # --- the run ------------------------------------------------------------------------------

    @_handle.register
    def _pause(self, _: PauseRun) -> Answer:
        if self.paused:
            raise _Refused("the run is paused already")
        self.paused = True
        self._remember(f"paused by {self._who}")
        return Answer(True, f"paused before frame {self._frame}")

    @_handle.register
    def _resume(self, _: ResumeRun) -> Answer:
        if not self.paused:
            raise _Refused("the run is not paused")
        self.paused = False
        self._controls.skip_elapsed_time()
        self._remember(f"pause ended by {self._who}")
        return Answer(True, f"continues with frame {self._frame}")

    @_handle.register
    def _set_pace(self, command: SetPace) -> Answer:
        try:
            factor = parse_pace(command.pace)
        except ValueError as error:
            raise _Refused(str(error)) from error
        self._controls.change_pace(factor)
        self._remember(f"pace {command.pace} by {self._who}")
        return Answer(True, f"pace {command.pace} from frame {self._frame} on")

    @_handle.register
    def _end(self, _: EndRun) -> Answer:
        self.ended = f"ended by {self._who}"
        self._remember(self.ended)
        return Answer(True, f"ended before frame {self._frame}")

    @_handle.register
    def _acknowledge(self, command: AcknowledgeAlarm) -> Answer:
        return Answer(True, f"acknowledged {command.alarm}")

    @_handle.register
    def _write_note(self, command: WriteNote) -> Answer:
        self._remember(f"{self._who}: {command.text}")
        return Answer(True, "noted")

    def _remember(self, text: str) -> None:
        self._controls.record.note(self._frame, text)

    @_handle.register
    def _report_status(self, _: ReportStatus) -> Answer:
        controls, period_us = self._controls, self._controls.pacer.period_us
        factor = None if period_us is None else controls.scenario.frame_us / period_us
        nodes = tuple(
            NodeInRun(
                node.name,
                self._state(node).value,
                held=controls.recovery.is_held(node.name),
                shed=controls.recovery.is_shed(node.name),
                powered=node.powered,
            )
            for node in controls.rig.nodes
        )
        status = RunStatus(self.paused, self._frame, controls.scenario.frame_count, factor, nodes)
        what = "paused" if self.paused else "running"
        return Answer(True, f"{what}, frame {self._frame}", data=status)


def _words(problem: Problem) -> str:
    """Return a problem of an event in words, without a place: a command is not in a file."""
    where = problem.path.removeprefix("$.")
    text = f"{where}: {problem.message}" if where != "$" else problem.message
    return f"{text}; {problem.remedy}" if problem.remedy else text
