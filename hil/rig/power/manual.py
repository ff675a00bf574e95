"""Power by hand: a person at the bench switches it when the terminal asks for it."""

from __future__ import annotations

import sys

from hil.rig.power.protocol import Power


class ManualPower(Power):
    """Asks on stderr for the power to be switched, and waits for Enter."""

    @property
    def title(self) -> str:
        return "power by hand"

    def on(self) -> None:
        self._ask("switch ON the power of")

    def off(self) -> None:
        self._ask("switch OFF the power of")

    def _ask(self, what: str) -> None:
        if not sys.stdin.isatty():
            raise self.failed(
                "cannot ask for it: stdin is not a terminal",
                "run it in a terminal, or describe a supply in the bench file",
            )
        sys.stderr.write(f"\n{what} node {self.node}, then press Enter ")
        sys.stderr.flush()
        sys.stdin.readline()
