"""The runs of one scenario with one redundancy scheme, and the sums of what they showed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.analysis.scheme_figures import SchemeFigures
from hil.board_types.catalogue import profiles_of
from hil.campaign.single_hits import single_hits
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import FramesDone, RunObserver
from hil.record.null_recorder import NullRecorder
from hil.record.scheme_changes import changes_in
from hil.redundancy.recovery import Transition
from hil.scenario import Scenario

if TYPE_CHECKING:
    from hil.record.row_values import RecordedPlant, RecordedPlantNode
    from hil.record.run_meta import RunMeta
    from hil.rig.clock_fit import ClockEstimate
    from hil.wire.messages import Health

__all__ = ["run_scheme"]

_LINK_FRAMES: Final = 200
"""The frames whose bytes on the links are counted, each sent for itself."""


def run_scheme(
    scenario: Scenario, runs: int, report: Callable[[], None] = lambda: None
) -> SchemeFigures:
    """Run `scenario` with `runs` seeds, from its own on, and return the sums. `report` is called
    after each run. Raises: what a run raises; ConfigError for a profile that there is not."""
    counts = _Counts()
    power_w = _full_power_w(scenario)
    with tempfile.TemporaryDirectory(prefix="hil-schemes-") as folder:
        for number in range(runs):
            seeded = scenario.model_copy(update={"seed": scenario.seed + number})
            _run(seeded, Path(folder) / str(number), counts, power_w)
            report()
        length = min(_LINK_FRAMES, scenario.frame_count)
        links = _links(scenario, Path(folder) / "links", length)
    return SchemeFigures(
        scheme=_name(scenario),
        boards=scenario.rig.size,
        runs=runs,
        frame_s=scenario.frame_us / 1e6,
        frames=counts.frames,
        right=counts.right,
        wrong=counts.wrong,
        failures=counts.failures,
        lossless=counts.lossless,
        upsets=counts.upsets,
        steps=counts.steps,
        link_bytes=links.bytes,
        link_frames=links.frames,
        energy_j=counts.energy_j,
        single_hits=single_hits(scenario),
        woken=counts.woken,
        waking_frames=counts.waking_frames,
    )


def _name(scenario: Scenario) -> str:
    follows = scenario.rig.follows
    return scenario.rig.scheme.value if follows is None else follows.text


@dataclass(slots=True)
class _Counts:
    """What the runs of a scheme come to so far."""

    frames: int = 0
    right: int = 0
    wrong: int = 0
    failures: int = 0
    lossless: int = 0
    upsets: int = 0
    steps: int | None = 0
    energy_j: float = 0.0
    woken: int = 0
    waking_frames: int = 0


class _Failures(RunObserver):
    """Counts how often a frame with a right output was followed by one without, and the energy of
    boards that have power, at full load [W]; notes the steps that boards had computed before the
    first frame."""

    def __init__(self, power_w: Mapping[str, float]) -> None:
        self._power_w = power_w
        self.watt_frames = 0.0
        self.loop: Loop | None = None
        self.count = self.steps_before = self.loads_before = 0
        self._right = True

    def on_start(self, next_frame: int) -> None:
        del next_frame
        assert self.loop is not None
        rig = self.loop.controls.rig
        self.steps_before = sum(health.steps for health in rig.health(rig.nodes).values())
        self.loads_before = sum(node.loads for node in rig.nodes)

    def on_frame(self, done: FramesDone) -> None:
        assert self.loop is not None
        powered = [n.name for n in self.loop.controls.rig.nodes if n.powered]
        frames = done.computed + done.skipped
        self.watt_frames += frames * sum(self._power_w[name] for name in powered)
        verdict = done.verdict
        if verdict is None:  # skipped frames are like those around them
            return
        right = verdict.delivered and verdict.correct
        self.count += self._right and not right
        self._right = right


class _Meter(NullRecorder):
    """Keeps the steps that boards reported last, and the energy of boards where a plant has it."""

    def __init__(self, meta: RunMeta) -> None:
        super().__init__(meta)
        self.energy_j: float | None = None
        self.steps: dict[int, int] = {}
        self.edges: list[tuple[int, str, str, str]] = []
        self._last_t_us: int | None = None
        self._last_w = 0.0

    def transition(self, t: Transition) -> None:
        """Keep what shows when nodes were woken."""
        super().transition(t)
        self.edges.append((t.frame, t.node, t.after.value, t.cause))

    def health(
        self,
        frame: int,  # noqa: ARG002
        node: int,
        h: Health,
        round_trip_us: int | None = None,  # noqa: ARG002
        clock: ClockEstimate | None = None,  # noqa: ARG002
    ) -> None:
        """Take the counter of steps."""
        self.steps[node] = h.steps

    def plant(self, row: RecordedPlant, nodes: Iterable[RecordedPlantNode]) -> None:
        """Add the energy since the row before, at the power that it had."""
        watts = sum(node.power_w or 0.0 for node in nodes)
        if self._last_t_us is not None:
            seconds = (row.t_us - self._last_t_us) / 1e6
            self.energy_j = (self.energy_j or 0.0) + self._last_w * seconds
        self._last_t_us, self._last_w = row.t_us, watts


def _run(scenario: Scenario, folder: Path, counts: _Counts, power_w: Mapping[str, float]) -> None:
    """Run one scenario, and add what it showed."""
    folder.mkdir()
    failures = _Failures(power_w)
    loop = failures.loop = Loop(
        scenario, folder, observers=[failures], setup=RunSetup(recorders=_Meter)
    )
    result = loop.run()
    meter = loop.controls.record
    assert isinstance(meter, _Meter)
    frames = result.flown
    right = round(result.availability * frames)
    counts.frames += frames
    counts.right += right
    counts.wrong += result.sdc_frames
    counts.failures += failures.count
    counts.lossless += right == frames
    counts.upsets += result.upsets.injected
    # A node that was excluded does not report at the end, an agent that starts again forgets, and
    # frames that were skipped were not computed.
    nodes = loop.controls.rig.nodes
    loads = sum(node.loads for node in nodes) - failures.loads_before
    known = len(meter.steps) == len(nodes) and not loads and not result.skipped
    if counts.steps is not None:
        steps = sum(meter.steps.values()) - failures.steps_before
        counts.steps = counts.steps + steps if known else None
    full_j = failures.watt_frames * scenario.frame_us / 1e6
    counts.energy_j += full_j if meter.energy_j is None else meter.energy_j
    changes, _ = changes_in(meter.edges)
    counts.woken += len(changes)
    counts.waking_frames += sum(change.frames or 0 for change in changes)


def _full_power_w(scenario: Scenario) -> dict[str, float]:
    """Return the power of each board at full load [W], by its profile."""
    profiles, rig = profiles_of(scenario), scenario.rig
    powers = {node.name: profiles[node.profile or rig.profile].power for node in rig.nodes}
    return {name: float(p.mode(p.full).full_w.value) for name, p in powers.items()}


def _links(scenario: Scenario, folder: Path, frames: int) -> _LinkTally:
    """Return the bytes on all links in the first `frames` frames that are computed, each sent for
    itself: boards in this process are otherwise given many frames in one call."""
    folder.mkdir()
    tally = _LinkTally()
    loop = tally.loop = Loop(
        scenario,
        folder,
        batch=False,
        observers=[tally],
        stop=lambda: tally.frames >= frames,
        setup=RunSetup(recorders=NullRecorder),
    )
    loop.run()
    return tally


class _LinkTally(RunObserver):
    """Notes the bytes on all links, from the first frame to the last one."""

    def __init__(self) -> None:
        self.loop: Loop | None = None
        self.frames = self.bytes = 0
        self._before = 0

    def on_start(self, next_frame: int) -> None:
        del next_frame
        self._before = self._total()

    def on_frame(self, done: FramesDone) -> None:
        self.frames += done.computed
        self.bytes = self._total() - self._before

    def _total(self) -> int:
        assert self.loop is not None
        links = [node.link.statistics for node in self.loop.controls.rig.nodes]
        return sum(link.tx_bytes + link.rx_bytes for link in links)
