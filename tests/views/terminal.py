"""A terminal for the tests: what it sends, and the wait until the screen has dealt with it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual._wait import wait_for_idle
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.message_pump import MessagePump

PATIENCE_S = 120.0


async def send(app: App[Any], text: str) -> None:
    """Let the terminal send this, as one read of Textual's driver would get it."""
    driver = app._driver
    assert driver is not None
    parser = XTermParser()
    events: list[Message] = [*parser.feed(text), *parser.feed("")]
    for event in events:
        driver.process_message(event)
    await asyncio.sleep(0)


async def press(app: App[Any], key: str) -> None:
    """Let the terminal send this key, by Textual's name of it, and wait."""
    await app._press_keys([key])
    await settled(app)


async def resize(app: App[Any], width: int, height: int) -> None:
    """Give the terminal this size, and wait."""
    size = Size(width, height)
    assert isinstance(app._driver, HeadlessDriver)
    app._driver._size = size
    app.post_message(Resize(size, size))
    await settled(app)


async def settled(app: App[Any]) -> None:
    """Wait until the screen has dealt with all that was sent to it.

    Textual's own `Pilot.pause` waits for an answer of every widget; a widget that is taken down
    in the meantime, and a whole screen that is being left, drop theirs, and it waits in vain. It
    does not wait for widgets that others are making anew, as the footer does when keys change.

    Raises:
        AssertionError: A widget that is still there does not answer."""
    end_s = time.monotonic() + PATIENCE_S
    while not app._exit and app._exception is None:
        pumps = _pumps(app)
        await _all_answer(app, pumps, end_s)
        await wait_for_idle(0)
        if _pumps(app) == pumps and not _is_being_made(app, pumps):
            break
        await asyncio.sleep(0)
    if app.screen_stack and not app._exit and app._exception is None:
        app.screen._on_timer_update()  # the picture is up to date as well


def _pumps(app: App[Any]) -> list[MessagePump]:
    return [app, *app.screen.walk_children(with_self=True)] if app.screen_stack else [app]


def _is_being_made(app: App[Any], pumps: list[MessagePump]) -> bool:
    """Whether callbacks wait for the next picture, or widgets are put in place of others."""
    waiting = bool(app.screen_stack) and bool(app.screen._callbacks)
    return waiting or app._batch_count > 0 or any(pump._next_callbacks for pump in pumps)


async def _all_answer(app: App[Any], pumps: list[MessagePump], end_s: float) -> None:
    silent = set(pumps)

    def answered(pump: MessagePump) -> None:
        silent.discard(pump)

    for pump in pumps:
        pump.call_later(answered, pump)
    while not app._exit and app._exception is None:
        silent -= {pump for pump in silent if pump._closing or pump._closed}
        if not silent:
            return
        assert time.monotonic() < end_s, f"no answer in {PATIENCE_S} s: {silent} on {app.screen}"
        await asyncio.sleep(0.001)
