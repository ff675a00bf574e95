"""Tokens in scenario and bench files: the agent of a tcp:// port asks for one, others do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hil.scenario.problems import Findings
from hil.scenario.yaml.document import KeyPath

__all__ = ["AGENT_FILE_DESCRIPTION", "HasToken", "check_tokens"]

AGENT_FILE_DESCRIPTION = (
    "tcp:// ports only, and required there: the file with the token of its agent (--token-file)."
)


class HasToken(Protocol):
    """A board, or a node, of a file."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def port(self) -> str | None:
        """Return its port."""

    @property
    def token_file(self) -> str | None:
        """Return the file with the token of its agent."""


def check_tokens(findings: Findings, what: str, path: KeyPath, boards: Sequence[HasToken]) -> None:
    """Add a finding for each board with a tcp:// port and no token, or the other way round. `what`
    are the `boards`: boards or nodes; `path` is that of their list."""
    for index, board in enumerate(boards):
        is_tcp = board.port is not None and board.port.lower().startswith("tcp://")
        if is_tcp and board.token_file is None:
            findings.add(
                (*path, index, "port"),
                f"{what} {board.name} is at {board.port}, whose agent asks for a token",
                "add `token_file:`, a file with the token that the agent has (--token-file)",
            )
        if not is_tcp and board.token_file is not None:
            findings.add(
                (*path, index, "token_file"),
                f"{what} {board.name} has a token, but no tcp:// port",
                "remove `token_file:`, or write `port: tcp://HOST:PORT`",
            )
