"""Recovery: a state machine per node that turns observations into repairs (FDIR). Pure.

`observe` takes what each frame shows of the node, `result` whether the last ordered action
succeeded; both return the actions to carry out before the next frame. This module only decides:
`hil.engine` carries the actions out.

                   bad frame                  action ordered                action ok
    +--------+                +---------+                    +-------------+
    | VOTING |--------------->| SUSPECT |------------------->| one rung of |----> VOTING (RESYNC)
    +--------+                +---------+                    | the ladder  |----> REINTEGRATING
        ^                                                    +-------------+         |
        |                                 action failed: next rung |   ^             |
        |                                 no rung left             v   | power back  |
        |                                                    +----------+            |
        |                                                    | ISOLATED |            |
        |   agreed for `reintegrate_frames` frames           +----------+            |
        +-----------------------------------------------------------------------------+
                                            bad frame while REINTEGRATING: next rung

    An operator's orders, between two frames:

    +----------------+   isolate    +-----------------+  reintegrate  +-------------+
    | any but        |------------->| ISOLATED, held: |-------------->| RESTART, or |----> ...
    | ISOLATED       |              | only the opera- |               | POWER_CYCLE |
    +----------------+              | tor ends it     |               +-------------+
        |       order   +---------+ +-----------------+
        +-------------->| RESTART |----> REINTEGRATING, or next rung, as above
                        | RESET   |
                        +---------+

The ladder, each rung tried as often as the policy says within `window_frames`:

    RESYNC         delta resync of the state from the nodes that agreed
    RESTART        new worker process, then resync            (worker died or hung: starts here)
    RESET          the agent starts again, load, then resync  (it had restarted, or is
                                                              suspended: starts here)
    POWER_CYCLE    power off and on, then as RESET            (silence: starts here)
    ISOLATED       no repair any more

    from            to              on                                    by
    VOTING          SUSPECT         any observation but AGREED            observe
    SUSPECT         RESYNC..        in the same call: the rung is chosen  _climb
    RESYNC          VOTING          result ok                             result
    RESTART..CYCLE  REINTEGRATING   result ok                             result
    RESYNC..CYCLE   next rung       result not ok                         result
    REINTEGRATING   VOTING          enough consecutive AGREED             observe
    REINTEGRATING   next rung       any observation but AGREED            observe
    any but VOTING  ISOLATED        no attempt left                       _climb
    ISOLATED        POWER_CYCLE     on_power_restored (not while held)    on_power_restored
    RESYNC..CYCLE   ISOLATED        absent: its board is searched for     on_absent
    ISOLATED        RESTART..       too few are left for an output        retry_isolated
    ISOLATED        RESET           its board is back (not while held)    on_reconnected
    VOTING          ISOLATED        the operator isolates it (held)       isolate
    REINTEGRATING   ISOLATED        the operator isolates it (held)       isolate
    ISOLATED        RESTART..       the operator brings it back           reintegrate
    VOTING          RESTART..RESET  the operator orders a rung            order
    REINTEGRATING   RESTART..RESET  the operator orders a rung            order
    VOTING          RESYNC          out of step because it was late       resync_after_lateness
    REINTEGRATING   RESYNC          out of step because it was late       resync_after_lateness
    VOTING          ISOLATED        the plant takes it out (shed)         exclude
    REINTEGRATING   ISOLATED        the plant takes it out (shed)         exclude
    ISOLATED        RESYNC..        the plant gives it back               readmit

Whose ballots decide a frame, and what is delivered (`hil.redundancy.electorate`):

    answers in the frame                   decided by                delivered
    voters with a majority                 the voters                what they agree on
    voters without one, or one alone;      voters and returning      what they agree on
      and nodes in REINTEGRATING             nodes together
    one node alone, simplex                that node                 its output
    one node alone, any other scheme       undecided                 by `rig.unvoted_output`:
      nothing (dmr, triple_pairs, priority_pairs, rotating_tmr, doer_checkers)  no output
      last_node (default of tmr to 7mr)      no other node was asked   its output, marked unvoted
      deliver (default of no scheme)                                   its output, marked unvoted
      hold (default of plan_pair)                                      the last voted one, held
    no majority, or no node                undecided                 no output; `hold`: as above

    A node that is alone keeps no checkpoint, and before others are repaired, it goes back to the
    last voted state and computes its own again; the others compute theirs from there, too. This
    holds for its first `TRUSTED_AFTER` frames alone if it delivers (`SILENT_TRUSTED_AFTER` if not);
    from then on its state is trusted, and given to the others.

    Limits: `nothing` without, the others for `rig.unvoted_frames` consecutive frames (0: no limit),
    then no output. If a frame is undecided, the nodes first go back to a checkpoint and compute the
    frame again (`recovery.rollbacks`).

Per state: VOTING counts in the vote; SUSPECT and rungs last only between two frames; REINTEGRATING
is stepped and compared, and counts only where the table above says so; if no node is VOTING, those
in REINTEGRATING are the voters; ISOLATED receives no requests, and while it is held only the
operator reintegrates it, while it is shed only the plant (a board without power, suspended, or too
hot). Orders of the operator and the plant use up no attempt, and neither does restored power. Nodes
that cannot be judged because there was no majority are not observed at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.word_enum import Word


class NodeState(Word):
    """The recovery state of a node; the values are the stored words."""

    VOTING = "voting"
    SUSPECT = "suspect"
    RESYNC = "resync"
    RESTART = "restart"
    RESET = "reset"
    POWER_CYCLE = "power_cycle"
    ISOLATED = "isolated"
    REINTEGRATING = "reintegrating"


RUNGS = (NodeState.RESYNC, NodeState.RESTART, NodeState.RESET, NodeState.POWER_CYCLE)


class Observation(Word):
    """The observation of a node in one frame; the values are causes in the record."""

    AGREED = "agreed"
    DISSENT = "dissent"  # another output than the majority
    LATENT = "latent"  # another state than the majority
    MISCOUNTED = "miscounted"  # right, but its worker lost count of its progress
    CRASHED = "crashed"
    HUNG = "hung"
    ABSENT = "absent"  # no worker, or refused the step
    REBOOTED = "rebooted"
    SUSPENDED = "suspended"  # by a limit of unknown origin: one that the plant suspends is shed
    SILENT = "silent"


THE_HOST_WAS_BUSY = "out of step, as this computer was busy"
IT_WAS_LATE = "out of step, as it was late"
TOO_FEW_ARE_LEFT = "too few nodes are left for an output"
POWER_IS_BACK = "power is back"
BOARD_IS_BACK = "its board is back"
"""The cause of a RESET after a board has returned, which counts as reset already."""

_FIRST_RUNG: Mapping[Observation, NodeState] = {
    Observation.DISSENT: NodeState.RESYNC,
    Observation.LATENT: NodeState.RESYNC,
    Observation.MISCOUNTED: NodeState.RESTART,
    Observation.CRASHED: NodeState.RESTART,
    Observation.HUNG: NodeState.RESTART,
    Observation.ABSENT: NodeState.RESTART,
    Observation.REBOOTED: NodeState.RESET,
    Observation.SUSPENDED: NodeState.RESET,
    Observation.SILENT: NodeState.POWER_CYCLE,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The number of attempts of each rung within `window_frames` before the next rung; 0 skips it.
    `reintegrate_frames`: consecutive agreeing frames until a node votes again."""

    attempts: Mapping[NodeState, int]
    window_frames: int = 20
    reintegrate_frames: int = 3


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition of a node, for the record. `cause` is stable text, identical in equal runs."""

    frame: int
    node: str
    before: NodeState
    after: NodeState
    cause: str


@dataclass(frozen=True, slots=True)
class Action:
    """A repair to carry out before the next frame: the rung, and why."""

    node: str
    rung: NodeState
    cause: str


@dataclass(frozen=True, slots=True)
class NodeRecoverySnapshot:
    """The recovery of one node between two frames. `agreed`: consecutive frames in which it agreed
    in REINTEGRATING; `tried`: frames of the attempts of each rung. `held`: isolated by the
    operator; `shed`: by the plant; `out`: isolated, and not repaired since."""

    state: NodeState
    agreed: int
    tried: Mapping[NodeState, tuple[int, ...]]
    held: bool = False
    shed: bool = False
    out: bool = False


@dataclass(slots=True)
class _Machine:
    """The state machine of one node. `tried`: the frames of the attempts of each rung; `held`:
    isolated by the operator until `reintegrate`; `shed`: excluded by the plant until `readmit`;
    `out`: it was isolated, and has not been repaired since."""

    state: NodeState = NodeState.VOTING
    agreed: int = 0
    held: bool = False
    shed: bool = False
    out: bool = False
    cause: str = ""
    tried: dict[NodeState, list[int]] = field(default_factory=lambda: {r: [] for r in RUNGS})

    @property
    def kept_out(self) -> bool:
        return self.held or self.shed


class RecoveryMachine:
    """The state machines of all nodes. Each transition is appended to `transitions` until they are
    taken. Not thread-safe.

    `settled`: no node is being repaired or reintegrated. `voters`: mask of the nodes that vote, bit
    i for node i: those in VOTING, or if there are none, those in REINTEGRATING. `returning`: mask
    of those in REINTEGRATING. `in_service`: names of the nodes that are not isolated."""

    def __init__(self, nodes: list[str], policy: Policy) -> None:
        self.policy = policy
        self._machines = {name: _Machine() for name in nodes}
        self.transitions: list[Transition] = []
        self._count()

    def state(self, node: str) -> NodeState:
        """Return the present state of a node."""
        return self._machines[node].state

    def is_held(self, node: str) -> bool:
        """Return whether the operator has isolated the node."""
        return self._machines[node].held

    def is_shed(self, node: str) -> bool:
        """Return whether the plant has excluded the node."""
        return self._machines[node].shed

    def take_was_isolated(self, node: str) -> bool:
        """Return whether the node was isolated since its last repair; the next call returns False.
        Called when a repair begins."""
        machine = self._machines[node]
        out, machine.out = machine.out, False
        return out

    def in_state(self, *states: NodeState) -> list[str]:
        """Return the names of the nodes in any of `states`, in rig order."""
        return [name for name, m in self._machines.items() if m.state in states]

    def _count(self) -> None:
        """Update the masks and lists that every frame reads; needed only when a state changes."""
        states = [m.state for m in self._machines.values()]
        self.settled = all(s in (NodeState.VOTING, NodeState.ISOLATED) for s in states)
        counting = NodeState.VOTING if NodeState.VOTING in states else NodeState.REINTEGRATING
        self.voters = sum(1 << i for i, s in enumerate(states) if s is counting)
        self.returning = sum(1 << i for i, s in enumerate(states) if s is NodeState.REINTEGRATING)
        self.in_service = tuple(
            name for name, m in self._machines.items() if m.state is not NodeState.ISOLATED
        )

    def snapshot(self) -> dict[str, NodeRecoverySnapshot]:
        """Return what is needed to continue later, by node."""
        return {
            name: NodeRecoverySnapshot(
                m.state,
                m.agreed,
                {rung: tuple(frames) for rung, frames in m.tried.items()},
                held=m.held,
                shed=m.shed,
                out=m.out,
            )
            for name, m in self._machines.items()
        }

    def restore(self, snapshot: Mapping[str, NodeRecoverySnapshot]) -> None:
        """Continue from `snapshot`."""
        for name, node in snapshot.items():
            machine = self._machines[name]
            machine.state, machine.agreed = node.state, node.agreed
            machine.held, machine.shed, machine.out = node.held, node.shed, node.out
            machine.tried = {rung: list(frames) for rung, frames in node.tried.items()}
        self._count()

    def _go(self, frame: int, node: str, state: NodeState, cause: str) -> None:
        machine = self._machines[node]
        if machine.state is not state:
            self.transitions.append(Transition(frame, node, machine.state, state, cause))
            machine.state = state
            machine.out = machine.out or state is NodeState.ISOLATED
            self._count()

    def _climb(self, frame: int, node: str, first: NodeState, cause: str) -> list[Action]:
        """Order the lowest rung from `first` on that has an attempt left, else isolate."""
        machine = self._machines[node]
        for rung in RUNGS[RUNGS.index(first) :]:
            tried = machine.tried[rung]
            tried[:] = [f for f in tried if frame - f < self.policy.window_frames]
            if len(tried) < self.policy.attempts[rung]:
                tried.append(frame)
                machine.agreed = 0
                self._go(frame, node, rung, cause)
                return [Action(node, rung, cause)]
        self._go(frame, node, NodeState.ISOLATED, f"{cause}; nothing is left to try")
        return []

    def take_transitions(self) -> list[Transition]:
        """Return the transitions since the last call."""
        out, self.transitions = self.transitions, []
        return out

    def observe(self, frame: int, node: str, observation: Observation) -> list[Action]:
        """Take what `frame` shows of `node`; return the actions before the next frame."""
        machine = self._machines[node]
        if machine.state is NodeState.ISOLATED:
            return []
        if observation is Observation.AGREED:
            if machine.state is NodeState.REINTEGRATING:
                machine.agreed += 1
                if machine.agreed >= self.policy.reintegrate_frames:
                    self._go(frame, node, NodeState.VOTING, "agreed again")
            return []
        cause = observation.value
        if machine.state is NodeState.VOTING:
            self._go(frame, node, NodeState.SUSPECT, cause)
        return self._climb(frame, node, _FIRST_RUNG[observation], cause)

    def result(self, frame: int, action: Action, ok: bool) -> list[Action]:
        """Take whether an action succeeded; return the next action if it failed."""
        machine = self._machines[action.node]
        if ok:
            after = NodeState.VOTING if action.rung is NodeState.RESYNC else NodeState.REINTEGRATING
            machine.agreed = 0
            self._go(frame, action.node, after, f"{action.rung.value} done")
            return []
        later = RUNGS[RUNGS.index(action.rung) :]
        return self._climb(frame, action.node, later[0], f"{action.rung.value} failed")

    def on_absent(self, frame: int, action: Action) -> None:
        """Isolate a node whose board is absent or is being power-cycled: the run does not wait for
        it."""
        self._go(frame, action.node, NodeState.ISOLATED, f"{action.cause}; its board is looked for")

    def on_reconnected(self, frame: int, node: str) -> list[Action]:
        """Order a reset of an isolated node whose board answers again. Earlier attempts still
        count: a board that returns only to fail again runs out of attempts like any other."""
        machine = self._machines[node]
        if machine.state is not NodeState.ISOLATED or machine.kept_out:
            return []
        machine.agreed = 0
        self._go(frame, node, NodeState.RESET, BOARD_IS_BACK)
        return [Action(node, NodeState.RESET, BOARD_IS_BACK)]

    def on_power_restored(self, frame: int, node: str) -> list[Action]:
        """Order the repair of an isolated node that has power again, as after a power cycle and
        whether the policy allows one or not. All attempts count from zero again."""
        machine = self._machines[node]
        if machine.state is not NodeState.ISOLATED or machine.kept_out:
            return []
        self._reset_attempts(machine)
        rung, cause = NodeState.POWER_CYCLE, POWER_IS_BACK
        machine.agreed = 0
        self._go(frame, node, rung, cause)
        return [Action(node, rung, cause)]

    def on_power_restored_at_end(self, frame: int, node: str) -> list[Action]:
        """Order the repair of a node that has power again after the last frame, and which nothing
        has isolated before: its board has not been silent for long enough."""
        if self._machines[node].state is NodeState.ISOLATED:
            return self.on_power_restored(frame, node)
        return self.order(frame, node, NodeState.POWER_CYCLE, POWER_IS_BACK)

    def retry_isolated(self, frame: int, node: str) -> list[Action]:
        """Try an isolated node again because too few are left for an output, once its earlier
        attempts are out of the window. A node that the operator or the plant excluded stays
        isolated."""
        machine = self._machines[node]
        if machine.state is not NodeState.ISOLATED or machine.kept_out:
            return []
        latest = max((f for tried in machine.tried.values() for f in tried), default=0)
        if frame - latest < self.policy.window_frames:
            return []
        self._reset_attempts(machine)
        return self._climb(frame, node, NodeState.RESTART, TOO_FEW_ARE_LEFT)

    @staticmethod
    def _reset_attempts(machine: _Machine) -> None:
        """Count the attempts of all rungs from zero again."""
        for tried in machine.tried.values():
            tried.clear()

    # --- exclusion by the plant -----------------------------------------------------------------

    def exclude(self, frame: int, node: str, cause: str) -> None:
        """Isolate a node until `readmit`: it has no power, or may not run."""
        self._machines[node].shed = True
        self._go(frame, node, NodeState.ISOLATED, cause)

    def readmit(self, frame: int, node: str, first: NodeState, cause: str) -> list[Action]:
        """Order the repair of a node that may run again, by the rung `first` and whether the policy
        allows it or not. All attempts count from zero again."""
        machine = self._machines[node]
        if not machine.shed:
            return []
        machine.shed = False
        if machine.held:
            return []
        self._reset_attempts(machine)
        machine.agreed = 0
        self._go(frame, node, first, cause)
        return [Action(node, first, cause)]

    # --- lateness -------------------------------------------------------------------------------

    def resync_after_lateness(self, frame: int, node: str, cause: str) -> list[Action]:
        """Order a resync of a node that is out of step because it, or this computer, was late. It
        uses up no attempt, because its state is only that of an earlier frame."""
        return self.order(frame, node, NodeState.RESYNC, cause)

    # --- the operator's orders ----------------------------------------------------------------

    def isolate(self, frame: int, node: str, cause: str) -> None:
        """Isolate a node until `reintegrate`; one that is isolated already is now held."""
        self._machines[node].held = True
        self._go(frame, node, NodeState.ISOLATED, cause)

    def reintegrate(self, frame: int, node: str, first: NodeState, cause: str) -> list[Action]:
        """Order the repair of an isolated node from the rung `first` on, with all attempts; any
        other node is left as it is."""
        machine = self._machines[node]
        if machine.state is not NodeState.ISOLATED:
            return []
        machine.held = False
        if machine.shed:
            return []
        self._reset_attempts(machine)
        return self._climb(frame, node, first, cause)

    def order(self, frame: int, node: str, rung: NodeState, cause: str) -> list[Action]:
        """Order one rung for a node in service, whatever its state; an isolated node is left as it
        is."""
        machine = self._machines[node]
        if machine.state is NodeState.ISOLATED:
            return []
        machine.agreed = 0
        self._go(frame, node, rung, cause)
        return [Action(node, rung, cause)]
