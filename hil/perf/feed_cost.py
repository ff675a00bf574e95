"""Cost of live feeds: the speed of a run with and without them, and the frames that they lose."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.assets import module_command
from hil.perf.row import PerfRow, Reference, in_turns, make_row
from hil.perf.run_rate import run_measured

__all__ = ["feeds"]

_SCENARIO: Final = """\
schema: 1
workload: attitude
frames: {frames}
frame_ms: 10
pace: {pace}
rig: {{scheme: tmr, board: process}}
"""
_WAIT_S: Final = 60
_LOSS_MAX: Final = 5.0
"""[% of the frames per second]"""


@dataclass(slots=True)
class _Fed:
    """What clients got of all runs: lost frames, how often the metrics were read, and the CPU time
    of the feeds [s]."""

    lost: int = 0
    scrapes: int = 0
    cpu_s: float = 0.0
    counts: list[int] = field(default_factory=list)

    @contextmanager
    def beside(self, run: Path) -> Iterator[None]:
        """Feed a run to a client while it goes on, and count what the client got."""
        words = ["feed", str(run), "--prometheus", "0", "--ccsds", "0", "--json", "--until-end"]
        with _process("hil", *words) as feed:
            assert feed.stdout is not None
            where = json.loads(feed.stdout.readline())
            module = "hil.perf.feed_client"
            with _process(module, where["ccsds"], where["prometheus"]) as client:
                assert client.stdout is not None
                client.stdout.readline()
                before_s = _cpu_s(feed.pid)
                yield
                report, _ = client.communicate(timeout=_WAIT_S)
            _, _, used = os.wait4(feed.pid, 0)
            self.cpu_s += used.ru_utime + used.ru_stime - before_s
            got = json.loads(report)
        self.scrapes += int(got["scrapes"])
        self.counts.append(len(got["frames"]))

    def expect(self, frames: int) -> None:
        """Count the frames of the last run that did not arrive, or not once."""
        self.lost += abs(frames - self.counts[-1])


def _cpu_s(pid: int) -> float:
    """Return the CPU time that a process has taken so far [s]."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _process(module: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(module_command(module, *words), stdout=subprocess.PIPE, text=True)
    try:
        with process:
            yield process
    except BaseException:
        process.kill()
        raise


def feeds(quick: bool) -> Iterator[PerfRow]:
    """Measure runs of three process boards, with and without both feeds and a client of each."""
    frames, rounds = (4_000, 4) if quick else (12_000, 6)
    text = _SCENARIO.format(frames=frames, pace="free")
    fed = _Fed()

    def alone() -> float:
        run = run_measured(text)
        return run.frames / run.wall_s

    def followed() -> float:
        run = run_measured(text, beside=fed.beside)
        fed.expect(run.result.frames)
        return run.frames / run.wall_s

    without, with_feeds = in_turns(rounds, alone, followed)
    share = 100 * fed.cpu_s / (frames * sum(1 / rate for rate in with_feeds))
    loss = 100 * (1 - max(with_feeds) / max(without))
    yield make_row(
        "frames/s lost to feeds, process boards",
        loss,
        "%",
        target=f"<= {_LOSS_MAX:g} %",
        ok=loss <= _LOSS_MAX and not fed.lost,
        reference=Reference("noise: best against median without feeds", _noise(without)),
        note=f"best of {rounds} runs of {frames} frames: {max(with_feeds):.0f}/s with Prometheus "
        f"({fed.scrapes} requests) and space packets, {max(without):.0f}/s without; "
        f"{fed.lost} frames lost; the feeds took {share:.1f} % of a core",
    )
    yield _in_real_time(200 if quick else 1_000)


def _noise(rates: list[float]) -> float:
    return 100 * (1 - statistics.median(rates) / max(rates))


def _in_real_time(frames: int) -> PerfRow:
    """Measure a run that is paced by real time, with feeds."""
    text = _SCENARIO.format(frames=frames, pace="realtime")
    fed = _Fed()
    alone = run_measured(text)
    followed = run_measured(text, beside=fed.beside)
    fed.expect(frames)
    return make_row(
        "frames lost by feeds in real time",
        float(fed.lost),
        "frames",
        target="none",
        ok=fed.lost == 0,
        note=f"{frames} frames at 100/s; late frames: {followed.result.slips} with feeds, "
        f"{alone.result.slips} without",
    )
