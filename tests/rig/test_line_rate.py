"""The negotiation of the line's rate between a real agent and the host, over ptys whose cable
garbles what travels while the rates of its two ends differ, as an UART does."""

from __future__ import annotations

import random
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.kernel import Decoder, Golden, encode
from hil.rig.backends.capabilities import rate_of
from hil.rig.backends.process import find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.calls import Call, Timing
from hil.rig.exchange import run_calls
from hil.rig.line_rate import lower_rate
from hil.rig.link import Link
from hil.rig.node import Node
from hil.rig.processor_use import Pressure
from hil.rig.rig import Rig
from hil.scenario.words import BAUD_RATES
from hil.wire import encoding
from hil.wire.messages import ANSWER, Msg, Refusal
from tests.amount import mostly_slow

from .cable import Badness, Cable, End
from .contract import SEED, is_golden, one
from .test_process_board import Pipes, piped, until

__all__ = ["piped"]  # a fixture

SAFE, FAST = 115200, 921600
TIMING = Timing(retry_us=100_000, lost_after_us=4_000_000)


class Bench:
    """A cable with an agent on its far end, and rigs on its near one."""

    def __init__(self, folder: Path) -> None:
        self.noise = Badness(random.Random(1))
        self.cable = Cable(folder, "line", to_host=self.noise)
        self.cable.limit = termios.B4000000
        self.agent: subprocess.Popen[bytes] | None = None
        self.start_agent()
        self.rigs: list[Rig] = []

    def start_agent(self) -> None:
        command = [str(find_agent()), "--port", str(self.cable.board.path), "--exit-with-parent"]
        self.agent = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        until(lambda: self.cable.board.rate[0] == termios.B115200, "the agent to open its port")

    def kill_agent(self) -> None:
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()

    def rig(self, fast: int | None = FAST, timing: Timing = TIMING) -> Rig:
        board = SerialBoard("n0", str(self.cable.host.path), SAFE, fast_baud=fast)
        rig = Rig([Node("n0", 0, board)], "sha256", SEED, timing)
        self.rigs.append(rig)
        return rig

    def rates(self) -> tuple[int, int]:
        """What the two ends are set to, as termios speeds."""
        return self.cable.host.rate[0], self.cable.board.rate[0]

    def close(self) -> None:
        for rig in self.rigs:
            rig.close()
        self.kill_agent()
        self.cable.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def now(rig: Rig) -> int:
    rate = rate_of(rig.nodes[0].link.transport)
    assert rate is not None
    return rate.now


def told(rig: Rig) -> list[str]:
    """The reasons of the link's events so far."""
    return [event.reason for event in rig.nodes[0].link.status.take_events()]


def works(rig: Rig) -> None:
    rig.load(rig.nodes[0])
    golden = Golden("sha256", SEED)
    for frame in range(20):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)


# --- up and down --------------------------------------------------------------------------------


def test_the_rate_is_raised_and_given_back_at_the_end(bench: Bench) -> None:
    rig = bench.rig()
    rig.open()
    assert now(rig) == FAST
    assert bench.rates() == (termios.B921600, termios.B921600)
    assert told(rig)[-1] == f"line rate raised to {FAST}"
    assert rig.nodes[0].link.statistics.rate_raises == 1
    works(rig)
    rig.close()
    until(lambda: bench.cable.board.rate[0] == termios.B115200, "the agent at its safe rate")


def test_a_board_for_which_no_rate_is_known_stays_as_it_is(bench: Bench) -> None:
    rig = bench.rig(None)
    rig.open()
    works(rig)
    assert bench.rates() == (termios.B115200, termios.B115200)
    assert rig.nodes[0].link.statistics.rate_raises == 0


@pytest.mark.slow
def test_a_line_that_is_too_bad_for_a_rate_gets_half_of_it(bench: Bench) -> None:
    """Everything above 250 000 baud is garbled: 921600 and 460800 fail, 230400 is good."""
    bench.cable.limit = termios.B230400
    rig = bench.rig()
    rig.open()
    assert now(rig) == 230400
    events = told(rig)
    assert events[-3:] == [
        "line rate 921600 not available: nothing is heard at it",
        "line rate 460800 not available: nothing is heard at it",
        "line rate raised to 230400",
    ]
    works(rig)


def test_broken_frames_lower_the_rate_for_good(bench: Bench) -> None:
    rig = bench.rig()
    rig.open()
    works(rig)
    bench.noise.corrupt = 0.004
    golden = Golden("sha256", SEED)
    rig.load(rig.nodes[0])
    for frame in range(400):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
        if frame % 50 == 49:
            rig.rates.adjust_rate(rig.nodes[0])
        if now(rig) < FAST:
            break
    assert now(rig) == 460800
    assert bench.rates() == (termios.B460800, termios.B460800)
    assert "frames broken" in told(rig)[-1]
    bench.noise.corrupt = 0.0
    for frame in range(golden.next_frame, golden.next_frame + 400):
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
        rig.rates.adjust_rate(rig.nodes[0])
    assert now(rig) == 460800  # no up and down


def test_a_good_line_is_left_alone(bench: Bench) -> None:
    rig = bench.rig()
    rig.open()
    golden = Golden("sha256", SEED)
    rig.load(rig.nodes[0])
    for frame in range(300):
        golden.step()
        one(rig, frame, golden.input)
        rig.rates.adjust_rate(rig.nodes[0])
    statistics = rig.nodes[0].link.statistics
    assert (statistics.rate_raises, statistics.rate_falls) == (1, 0)


# --- whatever gets lost -------------------------------------------------------------------------


def kind_of(data: bytes, decoder: Decoder) -> set[int]:
    return {frame.type for frame in decoder.push(data)[0]}


@pytest.mark.parametrize(
    ("lost", "count"),
    mostly_slow(
        [
            (Msg.BAUD, 1),
            (Msg.BAUD, 3),
            (Msg.BAUD | ANSWER, 1),
            (Msg.BAUD | ANSWER, 2),
            (Msg.HELLO, 2),
            (Msg.HELLO | ANSWER, 2),
        ],
        keep=2,
    ),
)
def test_a_lost_message_costs_time_and_nothing_else(bench: Bench, lost: int, count: int) -> None:
    decoders = {id(bench.cable.host): Decoder(), id(bench.cable.board): Decoder()}
    begun: list[int] = []
    dropped: list[int] = []

    def mute(source: End, data: bytes) -> bool:
        kinds = kind_of(data, decoders[id(source)])
        if Msg.BAUD in kinds:
            begun.append(1)
        if begun and lost in kinds and len(dropped) < count:
            dropped.append(lost)
            return True
        return False

    bench.cable.mute = mute
    rig = bench.rig()
    rig.open()
    assert len(dropped) == count
    host, board = bench.rates()
    assert host == board
    works(rig)
    assert rig.nodes[0].link.statistics.retries > 0


@pytest.mark.slow
@pytest.mark.parametrize("lost", [Msg.BAUD, Msg.BAUD | ANSWER])
def test_without_an_agreement_both_stay_at_the_safe_rate(bench: Bench, lost: int) -> None:
    decoders = {id(bench.cable.host): Decoder(), id(bench.cable.board): Decoder()}
    bench.cable.mute = lambda source, data: lost in kind_of(data, decoders[id(source)])
    rig = bench.rig()
    rig.open()
    assert now(rig) == SAFE
    works(rig)
    assert bench.rates() == (termios.B115200, termios.B115200)


@pytest.mark.slow
def test_a_confirmation_that_never_arrives_brings_both_back(bench: Bench) -> None:
    """The agent hears the HELLO at the new rate; none of its answers there comes through."""
    bench.cable.mute = lambda source, _: (
        source is bench.cable.board and bench.cable.board.rate[0] != termios.B115200
    )
    rig = bench.rig(230400)
    rig.open()
    assert now(rig) == SAFE
    works(rig)
    assert bench.rates() == (termios.B115200, termios.B115200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_on_a_line_that_loses_every_third_piece_both_end_at_one_rate(
    bench: Bench, seed: int
) -> None:
    rng = random.Random(seed)
    bench.cable.mute = lambda _, __: rng.random() < 1 / 3
    rig = bench.rig(timing=Timing(50_000, 15_000_000))
    rig.open()
    bench.cable.mute = None
    works(rig)
    host, board = bench.rates()
    assert host == board


@pytest.mark.parametrize(("busy", "rate"), [(0.9, FAST), (0.0, 460800)])
def test_a_rate_is_tried_again_if_this_computer_was_too_busy_to_tell(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, busy: float, rate: int
) -> None:
    monkeypatch.setattr(Pressure, "share", busy)
    was_fast, is_over = False, False

    def mute(source: End, _: bytes) -> bool:
        nonlocal was_fast, is_over
        fast = bench.cable.board.rate[0] != termios.B115200
        is_over = is_over or (was_fast and not fast)  # back at the safe rate: the first try failed
        was_fast = was_fast or fast
        return source is bench.cable.board and fast and not is_over

    bench.cable.mute = mute
    rig = bench.rig()
    rig.open()
    assert now(rig) == rate
    works(rig)


# --- new starts ---------------------------------------------------------------------------------


def test_a_reset_board_is_contacted_at_its_safe_rate_and_raised_again(bench: Bench) -> None:
    rig = bench.rig()
    rig.open()
    rig.reset(rig.nodes[0])
    assert bench.rates() == (termios.B921600, termios.B921600)
    works(rig)
    assert rig.nodes[0].link.statistics.rate_raises == 2


def test_an_agent_that_was_restarted_is_found(bench: Bench) -> None:
    rig = bench.rig(timing=Timing(50_000, 1_000_000))
    rig.open()
    bench.kill_agent()
    bench.start_agent()
    assert one(rig, 0, b"").status != 0  # silence: it speaks at another rate
    assert now(rig) == SAFE
    rig.reload(rig.nodes[0])
    assert now(rig) == FAST
    assert any("silence at 921600" in reason for reason in told(rig))
    works(rig)


def test_a_host_that_was_killed_leaves_nothing_behind(bench: Bench) -> None:
    first = bench.rig()
    first.open()
    assert first.nodes[0].link.transport is not None
    first.nodes[0].link.transport.close()  # no good-bye
    second = bench.rig(None)
    second.open()
    works(second)
    assert bench.rates() == (termios.B115200, termios.B115200)


@pytest.mark.slow
def test_a_line_that_falls_silent_twice_is_not_trusted_with_that_rate(bench: Bench) -> None:
    rig = bench.rig(timing=Timing(50_000, 1_000_000))
    rig.open()
    for expected in (FAST, 460800):
        bench.cable.mute = lambda _, __: True
        one(rig, 0, b"")
        assert now(rig) == SAFE
        bench.cable.mute = None
        rig.reload(rig.nodes[0])
        assert now(rig) == expected
    works(rig)


# --- the agent alone ----------------------------------------------------------------------------


def test_a_rate_that_no_line_knows_is_refused(bench: Bench) -> None:
    rig = bench.rig(None)
    rig.open()
    call = Call(rig.nodes[0].link, 99, Msg.BAUD, encoding.baud_request(123456))
    run_calls([call], TIMING)
    assert isinstance(call.result, Refusal)
    works(rig)


def test_a_pipe_has_no_rate(piped: Callable[..., tuple[Rig, Pipes]]) -> None:
    rig, _ = piped()
    link: Link = rig.nodes[0].link
    call = Call(link, 99, Msg.BAUD, encoding.baud_request(FAST))
    run_calls([call], TIMING)
    assert isinstance(call.result, Refusal)
    assert rate_of(link.transport) is None


@pytest.mark.parametrize("rate", BAUD_RATES)
def test_agents_know_the_hosts_rates(rate: int) -> None:
    known = subprocess.run(
        [str(find_agent()), "--port", "no/such/port", "--baud", str(rate)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert "not a known baud rate" not in known.stderr
    assert known.returncode == 3


def test_lower_rates_end_at_the_safe_one() -> None:
    assert lower_rate(921600, SAFE) == 460800
    assert lower_rate(230400, SAFE) == SAFE
    assert lower_rate(SAFE, SAFE) == SAFE
    assert lower_rate(3_000_000, 9600) == 1_500_000
    assert encode(Msg.BAUD, 1, encoding.baud_request(FAST)).endswith(b"\0")
