"""A person at the bench: asked on the terminal, and waited for beside the run."""

from __future__ import annotations

import sys

from hil.rig.power.protocol import Power


class ManualPower(Power):
    """Says on stderr what to do, and takes Enter for done."""

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
                "nobody can be asked: this is no terminal",
                "run it in a terminal, or describe a supply in the bench file",
            )
        sys.stderr.write(f"\n{what} node {self.node}, then press Enter ")
        sys.stderr.flush()
        sys.stdin.readline()
