"""The consoles of a run: the console ports of its boards are read, and all text is logged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hil.clock import Clock
from hil.rig.console.log import ConsoleLogs
from hil.rig.console.port_reader import PortReader
from hil.rig.node import Node

__all__ = ["ConsoleRecording"]


class ConsoleRecording:
    """Logs what the boards of `nodes` print in `run_dir`, until it is closed. Create it before
    their links are opened."""

    def __init__(self, run_dir: Path, nodes: Sequence[Node], clock: Clock) -> None:
        self._nodes = nodes
        self._logs = ConsoleLogs(run_dir, {node.name: node.console for node in nodes}, clock)
        self._readers = [
            PortReader(node.name, port, node.console, self._links, clock)
            for node in nodes
            if (port := node.capabilities.console) is not None
        ]

    def _links(self) -> dict[str, str]:
        return {node.name: node.capabilities.port or "" for node in self._nodes}

    def close(self) -> None:
        """Write what has arrived, and close ports and logs. Idempotent."""
        for reader in self._readers:
            reader.close()
        self._logs.close()
