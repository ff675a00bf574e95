"""Delivery: carrying out planned upsets on the rig, and collecting what the boards say of them.

Arms upsets on agents, disturbs links, cuts power, arms damaged cells again after a board started
anew, and watches the memory code catch what hit a checkpoint. Whether an upset was injected is
what the board read back, never what was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from hil.errors import SetupError
from hil.rig.emulated.board import EmulatedBoard
from hil.rig.link import LinkNoise
from hil.rig.node import (
    EXCLUDED,
    EXCLUDED_RESULT,
    SILENT,
    Life,
    Node,
    NodeResult,
    PowerCut,
    has_power,
    hold_up_us,
    switched_nothing,
)
from hil.rig.rig import Rig
from hil.upsets.outcome import Upset
from hil.upsets.planner import UpsetPlan
from hil.wire.messages import OF_CHECKPOINT, Arm

_ASK_EVERY_US: Final = 100_000


@dataclass(slots=True)
class _Watch:
    """A checkpoint upset that waits for the scrubber: until it was corrected, or overwritten."""

    upset: Upset
    corrected: int
    uncorrected: int
    frames_left: int


@dataclass(slots=True)
class _Cut:
    """The power of a node was cut: when, and the life of its agent that should have ended.
    `answered`: it has been heard after what its capacitors can give."""

    upset: Upset
    at_us: int
    life: Life


class Injector:
    """Upsets of one run on one rig. `notes`: what there is to be said of them in the record.

    `permanent`: damaged cells by node; `returning`: (frame, node) of boards that get their power
    back; `watches`: checkpoint upsets that nothing is known of yet, by id; `uncollected`: upsets
    whose board has not said yet what became of them; `latch_up`: who carries out latch-ups (the
    plant's coupling)."""

    def __init__(self, rig: Rig, state_len: int, checkpoint_every: int) -> None:
        self._rig = rig
        self._state_len = state_len
        self._checkpoint_every = checkpoint_every
        self._by_name = {node.name: node for node in rig.nodes}
        self.permanent: dict[str, list[Arm]] = {node.name: [] for node in rig.nodes}
        self.returning: list[tuple[int, str]] = []
        self.watches: dict[int, _Watch] = {}
        self.uncollected: list[Upset] = []
        self._untold: list[Upset] = []
        self._noises: dict[int, LinkNoise] = {}
        self._timers: dict[int, threading.Timer] = {}
        self._loads = {node.name: node.loads for node in rig.nodes}
        self._cuts: dict[str, _Cut] = {}
        self.notes: list[str] = []
        self.latch_up: Callable[[Upset], None] = _no_latch_up

    def prepare(self, plan: UpsetPlan, *, in_service: bool) -> Upset:
        """Make ready what the frame shall suffer; `in_service`: the node is not isolated."""
        upset = Upset(plan)
        node = self._by_name[plan.node]
        if not in_service and plan.target != "board":
            upset.state, upset.detail = "refused", "the node is isolated, or boots"
        elif plan.target == "link":
            noise = self._noises[plan.id] = LinkNoise(plan.kind, plan.direction, plan.bit)
            node.link.noises.append(noise)
        elif plan.kind == "latch_up":
            self.latch_up(upset)
        elif plan.target == "board":
            self._cut_power(node, upset)
        elif plan.target == "board-ram":
            self._hit_ram(node, upset)
        else:
            self._arm(node, upset)
        return upset

    def _arm(self, node: Node, upset: Upset) -> None:
        plan = upset.plan
        if plan.target in OF_CHECKPOINT:
            self._watch_checkpoint(node, upset)
        arm = arm_of(plan)
        refused = self._rig.arm(node, arm)
        if refused is not None:
            upset.state, upset.detail = "refused", refused
        elif plan.permanent:
            self.permanent[node.name].append(arm)

    def _hit_ram(self, node: Node, upset: Upset) -> None:
        """Now, or (`us`) while the board computes: then `collect` waits for it."""
        if upset.plan.us is None:
            hit_ram(node, upset)
            return
        timer = threading.Timer(upset.plan.us / 1e6, hit_ram, (node, upset))
        timer.daemon = True
        timer.start()
        self._timers[upset.plan.id] = timer

    def _cut_power(self, node: Node, upset: Upset) -> None:
        """A software board is known to be dead. Of any other the board itself has to tell: its link
        stays open, it is asked as before, and the upset is not injected until it is known that it
        lost its power (see `_collect_cut`)."""
        plan = upset.plan
        if not node.powered:
            upset.state, upset.detail = "refused", "the board has no power"
            return
        cut = _Cut(upset, self._rig.clock.now_us(), node.life)
        try:
            node.board.power_off()
        except SetupError as error:
            upset.state, upset.detail = "refused", error.message
            return
        node.power_cuts.add(PowerCut.UPSET)
        self._cuts[node.name] = cut
        if has_power(node.board) is False:
            node.link.detach("no power")
            upset.state, upset.verified, upset.changed = "injected", True, True
        if plan.returns_after_frames is not None:
            self.returning.append((plan.frame + plan.returns_after_frames, node.name))

    def collect(self, upsets: list[Upset], results: dict[str, NodeResult]) -> list[Upset]:
        """Of the upsets of a frame, and of those whose board was late before: what became of each
        that the boards tell of now. The others stay `uncollected`."""
        known: list[Upset] = []
        waiting, self.uncollected = self.uncollected + upsets, []
        for upset in waiting:
            self._collect(upset, results)
            (self.uncollected if upset.state == "armed" else known).append(upset)
        return known

    def ask_again(self, results: dict[str, NodeResult], *, at_end: bool = False) -> list[Upset]:
        """Of upsets that hit an agent, which then could not tell of it: what became of each whose
        board answers again, in its next life if need be. One that the board does not know of is
        `failed`. At the end of the run all others are, too. `results`: of the nodes that were asked
        in this frame."""
        told: list[Upset] = []
        waiting, self._untold = self._untold, []
        for upset in waiting:
            node = self._by_name[upset.plan.node]
            result = results.get(node.name, EXCLUDED_RESULT)
            answers = result.status not in (SILENT, EXCLUDED) and not result.rebooted
            if not (answers or at_end):
                self._untold.append(upset)
                continue
            report = self._rig.report(node, upset.plan.id) if node.link.connected else None
            if report is None:
                upset.state, upset.detail = "failed", "the board could not be asked what it had hit"
            else:
                upset.take(report)
            told.append(upset)
        return told

    def _collect(self, upset: Upset, results: dict[str, NodeResult]) -> None:
        """Still `armed` afterwards: the board was late, or a latch-up lasts."""
        plan = upset.plan
        node = self._by_name[plan.node]
        if timer := self._timers.pop(plan.id, None):
            timer.join()
        if upset.state != "armed" or plan.kind == "latch_up":
            return
        if plan.target == "link":
            self._collect_noise(node, upset)
            return
        result = results.get(plan.node, EXCLUDED_RESULT)
        if plan.target == "board":
            self._collect_cut(node, upset, result)
            return
        if result.late:
            return
        if plan.target == "cpu" and plan.kind == "reset":
            upset.state = "injected" if result.rebooted else "missed"
            upset.verified = upset.changed = result.rebooted
            return
        report = self._rig.report(node, plan.id) if node.link.connected else None
        if report is not None:
            upset.take(report)
        elif plan.target == "agent":  # it may be of this that it does not answer
            upset.state, upset.detail = "injected", "not read back yet: its agent does not answer"
            self._untold.append(upset)
        else:
            upset.state, upset.detail = "failed", "the board fell silent before it reported"
        if upset.state != "injected":
            self.watches.pop(plan.id, None)

    # --- was the power really cut? ------------------------------------------------------------

    def _collect_cut(self, node: Node, upset: Upset, result: NodeResult) -> None:
        """What the board says after its power was cut:

        another boot id, or an uptime that was reset    it lost its power: injected
        nothing for as long as makes a board silent     injected, unless its supply measures power
        an answer of the same agent, after the time
        for which capacitors can keep it running        the supply switched nothing: failed
        """
        cut = self._cuts[node.name]
        if result.rebooted or not cut.life.went_on(node.life):
            _is_cut(upset)
        elif result.status == SILENT:
            if not result.late:
                self._silent(node, upset, result.reason)
        elif result.status != EXCLUDED and self._rig.clock.now_us() >= self._dark_at_us(node, cut):
            # Its answer to a step does not tell its boot id: only a HELLO does.
            if self._rig.greeting(node, self._rig.timing.lost_after_us):
                self._compare(node, upset, cut)

    def _dark_at_us(self, node: Node, cut: _Cut) -> int:
        return cut.at_us + hold_up_us(node.board)

    def _compare(self, node: Node, upset: Upset, cut: _Cut) -> None:
        """The board has just said who it is."""
        if cut.life.went_on(node.life):
            self._nothing_was_cut(node, upset)
        else:
            _is_cut(upset)

    def _silent(self, node: Node, upset: Upset, why: str) -> None:
        if self._is_fed(node):
            upset.state = "failed"
            upset.detail = f"{why}, but its supply still gives power"
        else:
            _is_cut(upset)
            upset.detail = why

    def _is_fed(self, node: Node) -> bool:
        power = getattr(node.board, "power", None)
        try:
            return power is not None and power.gives_power() is True
        except SetupError:
            return False

    def _nothing_was_cut(self, node: Node, upset: Upset) -> None:
        upset.state, upset.verified, upset.changed = "failed", False, False
        upset.detail = switched_nothing(node)
        del self._cuts[node.name]
        self._has_power(node)
        self.notes.append(switched_nothing(node))

    def _has_power(self, node: Node) -> None:
        node.power_cuts.discard(PowerCut.UPSET)
        self.returning = [(at, other) for at, other in self.returning if other != node.name]

    def came_back(self, node: Node) -> Upset | None:
        """A board that was looked for answers. The upset whose verification it takes back: one that
        was injected as its board fell silent, but it is the same agent that speaks again."""
        cut = self._cuts.pop(node.name, None)
        if cut is None or not cut.life.went_on(node.life):
            return None
        self._cuts[node.name] = cut
        self._nothing_was_cut(node, cut.upset)
        return cut.upset

    def close_cuts(self) -> None:
        """The run ends: ask the boards whose power was cut, and of which nothing is known yet."""
        for upset in self.uncollected:
            if upset.plan.kind != "power_loss":
                continue
            node = self._by_name[upset.plan.node]
            cut, patience_us = self._cuts[node.name], self._rig.timing.lost_after_us
            while self._rig.clock.now_us() < self._dark_at_us(node, cut):
                self._rig.clock.sleep_us(_ASK_EVERY_US)
            if self._rig.greeting(node, patience_us):
                self._compare(node, upset, cut)
            else:
                self._silent(node, upset, node.link.silence)

    def _collect_noise(self, node: Node, upset: Upset) -> None:
        noise = self._noises.pop(upset.plan.id)
        node.link.noises.remove(noise)
        if not noise.done:
            upset.state = "missed"
            return
        upset.state, upset.verified, upset.changed = "injected", True, True
        upset.bit, upset.space = noise.position, noise.space
        upset.before, upset.after = noise.before, noise.after
        if noise.kind != "duplicate":  # the protocol takes a frame that comes twice as one
            upset.effect, upset.detected_frame = "detected", upset.plan.frame

    def _watch_checkpoint(self, node: Node, upset: Upset) -> None:
        before = self._rig.health([node]).get(node.name)
        words = -(-self._state_len // 8)
        per_frame = self._rig.scrub_words
        if before is not None and per_frame:
            frames = -(-words // per_frame) + 1
            every = self._checkpoint_every
            if every:  # by then the next checkpoint overwrites it
                frames = min(frames, every - upset.plan.frame % every)
            self.watches[upset.plan.id] = _Watch(
                upset, before.corrected, before.uncorrected, frames
            )

    def poll_checkpoint_detections(self, frame: int) -> None:
        """Has the memory code met what hit the checkpoints?"""
        if not self.watches:
            return
        names = {watch.upset.plan.node for watch in self.watches.values()}
        told = {name: self._rig.health([self._by_name[name]]).get(name) for name in names}
        for id_, watch in list(self.watches.items()):
            health = told[watch.upset.plan.node]
            watch.frames_left -= 1
            caught = health is not None and (
                health.corrected > watch.corrected or health.uncorrected > watch.uncorrected
            )
            if caught and watch.upset.effect in {"", "masked"}:
                watch.upset.effect, watch.upset.detected_frame = "detected", frame
            if caught or health is None or watch.frames_left <= 0:
                del self.watches[id_]

    def is_watched(self, node: str) -> bool:
        """Something that hit this node's checkpoint may still be found."""
        return any(watch.upset.plan.node == node for watch in self.watches.values())

    def power_due(self, frame: int) -> list[str]:
        """Nodes whose power comes back before `frame`; from now on no upset keeps it off."""
        if not self.returning:
            return []
        due = [name for at, name in self.returning if at <= frame]
        self.returning = [(at, name) for at, name in self.returning if at > frame]
        for name in due:
            self._by_name[name].power_cuts.discard(PowerCut.UPSET)
        return due

    def power_back(self, name: str) -> None:
        """No upset keeps the power of a node off any more, whatever was planned."""
        self.returning = [(at, other) for at, other in self.returning if other != name]
        self._by_name[name].power_cuts.discard(PowerCut.UPSET)

    def rearm_permanent(self, nodes: list[Node], frame: int) -> list[tuple[Node, Arm]]:
        """A damaged cell is still damaged after the board started anew (and forgot that it is).
        Returns what was armed."""
        armed: list[tuple[Node, Arm]] = []
        for node in nodes:
            if node.loads == self._loads[node.name] or not node.link.connected:
                continue
            self._loads[node.name] = node.loads
            for arm in self.permanent[node.name]:
                again = _moved(arm, frame)
                if self._rig.arm(node, again) is None:
                    armed.append((node, again))
        return armed

    def arm_again(self, node: Node, arms: list[Arm]) -> None:
        """Put damage into a fresh board that lay in the one whose place it takes."""
        self._loads[node.name] = node.loads
        for arm in arms:
            self._rig.arm(node, arm)


def arm_of(plan: UpsetPlan) -> Arm:
    """What a board is asked to do for a planned upset."""
    return Arm(
        id=plan.id,
        frame=plan.frame,
        target=plan.target,
        kind=plan.kind,
        tick=plan.tick,
        steps=plan.steps,
        us=plan.us,
        width=plan.width,
        bit=plan.bit,
        value=plan.value,
        hold_frames=plan.hold_frames,
        exact=plan.exact,
    )


def _is_cut(upset: Upset) -> None:
    upset.state, upset.verified, upset.changed = "injected", True, True


def _no_latch_up(upset: Upset) -> None:
    upset.state, upset.detail = "refused", "there is no plant to draw current from"


def hit_ram(node: Node, upset: Upset) -> None:
    """Flip bits of the memory of an emulated board, from outside."""
    plan = upset.plan
    board = node.board
    if not isinstance(board, EmulatedBoard):
        upset.state, upset.detail = "refused", f"it is a {board.kind} board"
        return
    try:
        hit = board.hit_ram(plan.kind, plan.bit, plan.width, plan.value, plan.part)
    except SetupError as error:
        upset.state, upset.detail = "failed", error.message
        return
    upset.detail = f"physical address {hit.address:#x}"
    upset.verified, upset.changed = hit.verified, hit.before != hit.after
    upset.bit, upset.space = hit.bit, hit.space
    upset.before, upset.after = hit.before, hit.after
    upset.at_us = plan.us or 0
    upset.boot = hit.boot
    upset.state = "injected"


def _moved(arm: Arm, frame: int) -> Arm:
    return replace(arm, frame=frame, tick=0, steps=0, us=None)
