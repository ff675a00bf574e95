"""Sends commands to the run on view: asks for what is missing, and for confirmation."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Sequence

from hil.views.screen.dialogs import Ask, Confirm
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.page_actions import PageActions
from hil.views.screen.run_control import Control, KeyCommand

__all__ = ["CommandDialog"]


class CommandDialog:
    """The dialogs of `app` that lead to a command."""

    def __init__(self, app: PageActions, control: Control) -> None:
        self._app = app
        self._control = control

    def commands(self) -> Sequence[KeyCommand]:
        """Return the commands that the run on view takes now."""
        return self._control.commands(self._app.presenter.source.run)

    def acknowledge(self, alarms: Iterable[Alarm]) -> None:
        """Record that these alarms were acknowledged, if the run takes commands."""
        if self.commands():
            for alarm in alarms:
                self._start("acknowledge", [f"alarm={alarm.name}"])

    def open(self, command: KeyCommand) -> None:
        """Ask for missing arguments and for confirmation, and send a command."""
        words: list[str] = []
        app, question = self._app, command.more
        nodes, chosen = app.presenter.scene.nodes, app.presenter.node
        if command.node and nodes:
            words.append(f"node={nodes[(chosen or 0) % len(nodes)].name}")
            if chosen is None and len(nodes) > 1:  # none was chosen: no guess is sent
                names = ", ".join(node.name for node in nodes)
                what = f"; and what: {question}" if question else ""
                question = f"for which node: {names}{what}"
        if not question:
            self._confirm(command, words)
            return

        def entered(text: str | None) -> None:
            try:
                words = [text] if command.text and text else shlex.split(text or "")
            except ValueError as error:
                app.say(f"`{text}`: {error}; close every quote", bad=True)
                return
            if words:
                self._confirm(command, words)

        value = " ".join([*words, *([command.more] if command.node and command.more else [])])
        app.push_screen(Ask(f"{command.name.replace('_', ' ')}: {question}", value), entered)

    def _confirm(self, command: KeyCommand, words: Sequence[str]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._start(command.name, words)

        if command.sure:
            what = " ".join([command.name, *words])
            self._app.push_screen(Confirm(f"{what}?", "It is recorded, with your name."), answered)
        else:
            answered(True)

    def _start(self, name: str, words: Sequence[str]) -> None:
        self._app.run_worker(self._send(name, words), exit_on_error=False)

    async def _send(self, name: str, words: Sequence[str]) -> None:
        run = self._app.presenter.source.run
        ok, text = await asyncio.to_thread(self._control.send, run, name, words)
        self._app.say(text, bad=not ok)
