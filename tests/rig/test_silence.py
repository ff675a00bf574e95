"""What is said of a board that does not answer: for how long, and whether the line is at fault."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from hil.errors import LinkTimeout
from hil.kernel import encode
from hil.rig.backends.process import ProcessBoard
from hil.rig.calls import Call, Silence, Timing
from hil.rig.exchange import run_calls
from hil.rig.link import Link
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.rig.transport import Transport
from hil.wire.messages import ANSWER, Msg
from tests.virtual_clock import VirtualClock

SHARE = Timing(retry_us=5_000, lost_after_us=40_000)
"""Of a paced frame: less than the time after which a board counts as lost."""


class Mute:
    """A line on which a board says only what the test has it say."""

    def __init__(self) -> None:
        self.fd, self.board = os.pipe()
        os.set_blocking(self.fd, False)
        self.answers: list[bytes] = []
        self.on_answer: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        if self.answers:
            self.on_answer()
            os.write(self.board, self.answers.pop(0))

    def read(self) -> bytes:
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.board)


@pytest.fixture
def line() -> Iterator[tuple[Link, Mute]]:
    mute = Mute()
    transport: Transport = mute
    link = Link("n0", clock=VirtualClock())
    link.attach(transport)
    yield link, mute
    link.detach("the test is over")


def ask(link: Link, timing: Timing = SHARE) -> Call:
    call = Call(link, 7, Msg.REPORT)
    run_calls([call], timing)
    return call


def silence(link: Link) -> str:
    result = ask(link).result
    assert isinstance(result, Silence) and not result.disconnected
    assert link.silence == result.reason
    return result.reason


def test_silence_lasts_since_the_first_call_in_vain(line: tuple[Link, Mute]) -> None:
    link, _ = line
    said = [silence(link) for _ in range(4)]
    assert said == [f"no answer for {text}" for text in ("40 ms", "80 ms", "0.1 s", "0.2 s")]


def test_an_answer_ends_it(line: tuple[Link, Mute]) -> None:
    link, mute = line
    silence(link)
    assert link.unanswered_since_us
    mute.answers = [encode(Msg.REPORT | ANSWER, 7, b"ok")]
    assert ask(link, Timing()).result == b"ok"
    assert link.unanswered_since_us == 0
    silence(link)
    assert link.unanswered_since_us
    link.attach(Mute())
    assert link.unanswered_since_us == 0, "another port, another line"


def test_a_poll_of_health_that_a_bad_line_swallows_begins_no_silence() -> None:
    """Else the board would be refused the next upset, as one that no longer answers."""
    node = Node("a", 0, ProcessBoard("a"))
    node.link.clock = VirtualClock()
    node.link.attach(Mute())
    rig = Rig([node], "sha256", 1, SHARE)
    try:
        assert rig.health([node], SHARE) == {} and node.link.unanswered_since_us == 0
        silence(node.link)
        since_us = node.link.unanswered_since_us
        assert rig.health([node], SHARE) == {} and node.link.unanswered_since_us == since_us > 0
    finally:
        node.link.detach("the test is over")


def test_a_bad_line_is_distinguished_from_a_silent_board(line: tuple[Link, Mute]) -> None:
    link, mute = line
    good = encode(Msg.REPORT | ANSWER, 7, b"ok")
    broken = good[:3] + bytes([good[3] ^ 0x55 or 1]) + good[4:]
    mute.answers = [broken, broken]
    assert silence(link).endswith(", only damaged frames (2): a bad line, or no agent")
    assert "damaged" not in silence(link)


@pytest.mark.parametrize("patience", [1, 3])
def test_noise_only_link_times_out_within_patience(line: tuple[Link, Mute], patience: int) -> None:
    """In a paced run the others have their frames to keep: a board whose line spoils every
    request says so at once, each time, and would do so for ever."""
    link, mute = line
    mute.answers = [encode(Msg.NAK, 0, b"")] * 20_000
    clock = link.clock
    assert isinstance(clock, VirtualClock)
    mute.on_answer = lambda: clock.advance(100)  # what one takes on its way
    result = ask(link, Timing(5_000, 40_000, noise_patience=patience)).result
    assert isinstance(result, Silence) and "a bad line" in result.reason
    assert clock.elapsed_us == 100 + 40_000 * patience, "not until it has enough, once asked"
    # Each is followed by quiet: 2 ms the first times, then ever longer, up to a quarter of the time
    # after which nothing at all would be heard any more.
    quiet, at, requests = [2_000] * 9 + [4_000, 8_000], 0, 0
    while at < 40_000 * patience:
        at += 100 + (quiet[requests] if requests < len(quiet) else 10_000)
        requests += 1
    assert requests == {1: 12, 3: 20}[patience]
    assert link.statistics.retries == requests - 1 and len(mute.answers) == 20_000 - requests


def test_a_board_that_stays_busy_times_out(line: tuple[Link, Mute]) -> None:
    """A step under a limit may last long; an agent whose memory was hit may never end one."""
    link, mute = line
    busy = bytes([Msg.REPORT, 0xFE, 1, 0, 0, 0])  # not now, as a step is under way
    mute.answers = [encode(Msg.ERROR, 7, busy)] * 20_000
    result = ask(link, Timing(20_000, 3_000_000)).result
    assert isinstance(result, Silence) and link.silence == result.reason
    assert result.reason.startswith("busy for ")
    assert isinstance(link.clock, VirtualClock)
    assert 6_000_000 <= link.clock.elapsed_us < 8_000_000
    assert link.statistics.retries < 100


def test_an_agent_that_always_answers_with_a_nak_is_asked_ever_more_rarely(
    line: tuple[Link, Mute],
) -> None:
    link, mute = line
    mute.answers = [encode(Msg.NAK, 0, b"")] * 20_000
    silence_ = ask(link, Timing(20_000, 3_000_000)).result
    assert isinstance(silence_, Silence) and "only damaged frames" in silence_.reason
    assert isinstance(link.clock, VirtualClock)
    seconds = link.clock.elapsed_us / 1e6
    assert seconds == pytest.approx(12.0, abs=0.2)
    assert link.statistics.retries < 20 + seconds / 0.128


class Booting(ProcessBoard):
    """A board that may take three minutes from power-on to its first answer."""

    boot_timeout_us = 180_000_000


@pytest.mark.parametrize("repair", ["reload", "reset", "rejoin"])
def test_a_repair_does_not_wait_for_a_board_that_boots(repair: str) -> None:
    node = Node("a", 0, Booting("a"))
    rig = Rig([node], "sha256", 1, Timing(250_000, 1_500_000))
    try:
        rig.open()
        rig.load(node)
        assert node.board.pid is not None  # type: ignore[attr-defined]
        os.kill(node.board.pid, signal.SIGSTOP)  # type: ignore[attr-defined]
        clock = rig.clock = node.link.clock = VirtualClock()
        with pytest.raises(LinkTimeout):
            getattr(rig, repair)(node)
        assert clock.elapsed_us <= 10_000_000
    finally:
        rig.close()


class Immediate:
    """A transport without a descriptor: what the board says at once, one answer for each read."""

    fd: int | None = None

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests = 0

    def write(self, data: bytes) -> None:
        self.requests += 1

    def read(self) -> bytes:
        return self.answers.pop(0) if self.answers else b""

    def close(self) -> None:
        pass


def test_an_answer_to_another_request_is_no_silence() -> None:
    """Such as the announcement of a board that has just started: a repetition would be answered
    twice, and every later request would be one answer behind."""
    stale = encode(Msg.REPORT | ANSWER, 6)
    transport = Immediate(*[stale] * 6, encode(Msg.REPORT | ANSWER, 7))
    link = Link("n0", clock=VirtualClock())
    link.attach(transport)
    assert ask(link).result == b""
    assert (transport.requests, link.statistics.stale) == (1, 6)
    link.detach("the test is over")
