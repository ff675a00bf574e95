"""Which line of a console explains a silence, and which are events."""

from __future__ import annotations

import pytest

from hil.rig.console.node_console import NodeConsole
from hil.scenario.console_patterns import own_patterns
from tests.virtual_clock import VirtualClock

PANIC = b"[ 1.2] Kernel panic - not syncing: \x1b[1mfatal\x1b[0m exception\r\n"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def console(clock: VirtualClock) -> NodeConsole:
    return NodeConsole(clock)


def test_the_gravest_line_explains_and_of_several_the_latest(
    console: NodeConsole, clock: VirtualClock
) -> None:
    began_us = clock.now_us()
    assert console.cause(began_us) is None
    for text, cause in (
        (b"pi login: \r\n", "pi login:"),
        (b"U-Boot 2026.01\r\n", "U-Boot 2026.01"),
        (b"pi login: \r\n", "U-Boot 2026.01"),
        (b"BUG: one\r\n", "BUG: one"),
        (b"BUG: two\r\n", "BUG: two"),
        (PANIC, "Kernel panic - not syncing: \\x1b[1mfatal\\x1b[0m exception"),
        (b"BUG: three\r\n", "Kernel panic - not syncing: \\x1b[1mfatal\\x1b[0m exception"),
    ):
        clock.advance(1000)
        console.on_link(text, False)
        assert console.cause(began_us) == f"console: {cause}"


def test_an_older_line_explains_nothing_and_neither_does_one_before_the_board_returned(
    console: NodeConsole, clock: VirtualClock
) -> None:
    console.on_link(PANIC, False)
    clock.advance(1_000_000)
    assert console.cause(clock.now_us()) is None
    assert console.cause(clock.now_us() - 1_000_000) is not None
    console.forget_causes()
    assert console.cause(0) is None


def test_a_line_that_is_not_complete_explains_but_is_no_event_yet(
    console: NodeConsole, clock: VirtualClock
) -> None:
    console.on_port(b"Kernel panic - not sync")
    assert console.cause(0) == "console: Kernel panic - not sync"
    assert console.take_signs() == []
    console.on_port(b"ing: x\r\n")
    assert [sign.event for sign in console.take_signs()] == [
        "its console: Kernel panic - not syncing: x"
    ]
    assert console.take_signs() == []


def test_own_patterns_are_looked_for_and_damaged_frames_are_not(console: NodeConsole) -> None:
    console.look_for(own_patterns(["E_FLASH"]))
    console.on_link(b"\x07\x07E_FLASH", True)
    assert console.cause(0) is None
    console.on_link(b"t=1 E_FLASH 12\r\n", False)
    assert console.cause(0) == "console: E_FLASH 12"


def test_a_board_that_never_stops_printing_failures_has_a_limited_number_of_events(
    console: NodeConsole,
) -> None:
    for number in range(500):
        console.on_link(b"BUG: %d\r\n" % number, False)
    events = [sign.event for sign in console.take_signs()]
    assert len(events) == 200 and events[0] == "its console: BUG: 0"
    assert events[-1] == "its console: BUG: 199; what follows is in the console log only"
    assert console.cause(0) == "console: BUG: 499"


def test_failures_without_end_do_not_hide_the_panic_that_came_before_them(
    console: NodeConsole, clock: VirtualClock
) -> None:
    console.on_link(PANIC, False)
    clock.advance(1000)
    for number in range(300):
        console.on_link(b"BUG: %d\r\n" % number, False)
    cause = console.cause(clock.now_us() - 2_000_000)
    assert cause is not None and cause.startswith("console: Kernel panic")
    assert console.cause(clock.now_us()) == "console: BUG: 299", "the panic is too old for this"
