"""Collects the context of the boards of a run: what each executes, and the kernel logs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.engine.run_recorder import RunRecorder
from hil.errors import RecordError
from hil.record.board_context import (
    BoardContext,
    BootImage,
    ConsoleFile,
    KernelLog,
    LogExtent,
    NodeContext,
)
from hil.record.null_recorder import NullRecorder
from hil.record.recorder_protocol import Recorders
from hil.rig.agent_image import agent_image
from hil.rig.backends.program_digests import program_digests
from hil.rig.console.kernel_lines import kernel_lines
from hil.rig.console.log import log_path
from hil.rig.host_kernel_log import host_kernel_log, lines_since
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.scenario.words import BoardKind

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BoardContextStage"]

_KEPT: Final = 200
"""[lines] Of what was before, and of the difference."""
_HOST: Final = "this computer"
_CONSOLE: Final = "its console"
_EXTENSION: Final = "the extension of hil, which has the agent in it"
_MEASURED: Final = "reported by the agent, which has read its own executable"
_CLAIMED: Final = "claimed by the agent: it was put into it when it was built, and not measured"
_NO_IMAGE: Final = "only the board knows: its agent reports its version, and no digest of itself"
_OF_HOST: Final = frozenset({BoardKind.INPROC.value, BoardKind.PROCESS.value})


class BoardContextStage:
    """Collects the context of the nodes of `rig` from before their boards are opened, and records
    it, unless the run has no record. Left by an exception, it records what there is until then: the
    kernel log of a board that failed is wanted most. Not thread-safe."""

    def __init__(
        self,
        rig: Rig,
        run_dir: Path,
        recorder: RunRecorder,
        kind: Recorders,
    ) -> None:
        self._nodes = nodes = rig.nodes
        self._requests = rig.requests
        self._run_dir = run_dir
        self._recorder = recorder
        self._open = False
        self._keeps = kind is not NullRecorder
        self._of_host = self._keeps and any(node.board.kind in _OF_HOST for node in nodes)
        self._host: tuple[str, ...] = ()
        self._why_not = ""
        self._from_frame = 0
        self._at_utc = ""
        self._agents: dict[str, tuple[str | None, str, tuple[BootImage, ...]]] = {}
        if self._of_host:
            try:
                self._host = host_kernel_log()
            except OSError as error:
                self._why_not = f"it is not readable here: {error.strerror or error}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RecordError):  # the run has failed already
            if self._open:  # a board that started again may have another port, or agent
                for identity in self._recorder.identities():
                    self._recorder.record.node(identity)
            self.end()

    def begin(self, frame: int) -> None:
        """Record the context as it is when the boards have been opened, before `frame`. Raises:
        RecordError."""
        if not self._keeps:
            return
        self._open = True
        self._from_frame = frame
        self._at_utc = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        self._agents = {node.name: self._agent(node) for node in self._nodes}
        self._recorder.record.board_context(self._context(ended=False))

    def end(self) -> None:
        """Record the context as it is when the run has ended, and all consoles are closed;
        idempotent. Raises: RecordError."""
        if self._open:
            self._open = False
            self._recorder.record.board_context(self._context(ended=True))

    def _context(self, *, ended: bool) -> BoardContext:
        return BoardContext(
            self._from_frame,
            self._at_utc,
            self._host_log(ended=ended) if self._of_host else None,
            {node.name: self._node(node, ended=ended) for node in self._nodes},
        )

    def _host_log(self, *, ended: bool) -> KernelLog:
        if self._why_not:
            return KernelLog(_HOST, self._why_not)
        if not ended:
            return _log(_HOST, self._host, None)
        try:
            now = host_kernel_log()
        except OSError as error:
            return KernelLog(_HOST, f"it is no longer readable: {error.strerror or error}")
        new, lost = lines_since(self._host, now)
        return _log(_HOST, self._host, now, new, lost=lost)

    def _node(self, node: Node, *, ended: bool) -> NodeContext:
        sha256, known, booted = self._agents[node.name]
        path = log_path(self._run_dir, node.name)
        of_host = node.board.kind in _OF_HOST
        return NodeContext(
            sha256,
            known,
            booted,
            None if of_host else self._console_log(path, ended=ended),
            _console_file(path) if ended else None,
        )

    def _agent(self, node: Node) -> tuple[str | None, str, tuple[BootImage, ...]]:
        """Return the digest of a node's agent, how it is known, and what else its board has
        booted."""
        booted = tuple(BootImage(*image) for image in node.capabilities.booted_files)
        executable = node.capabilities.read_executable()
        if executable is not None:
            sha256 = hashlib.sha256(executable).hexdigest()
            return sha256, "the executable that this computer started", booted
        if node.board.kind == BoardKind.INPROC.value:
            own = program_digests({BoardKind.INPROC.value})
            return own[BoardKind.INPROC.value], _EXTENSION, ()
        image = agent_image(self._requests, node)
        if image is None:
            return None, _NO_IMAGE, booted
        return image.sha256, _MEASURED if image.measured else _CLAIMED, booted

    def _console_log(self, path: Path, *, ended: bool) -> KernelLog:
        """Return the kernel log of a board that prints it. Until the run has ended, its console is
        still being written."""
        if not ended:
            return KernelLog(_CONSOLE, "the run has not ended")
        try:
            lines = list(kernel_lines(path))
        except OSError:
            return KernelLog(_CONSOLE, "the board printed nothing; name its console in the bench")
        if not lines:
            return KernelLog(_CONSOLE, "its console shows no line of a kernel")
        before = [text for at, text in lines if at[:26] < self._at_utc[:26]]
        everything = [text for _, text in lines]
        return _log(_CONSOLE, before, everything, everything[len(before) :])


def _log(
    source: str,
    before: Sequence[str],
    after: Sequence[str] | None,
    new: Sequence[str] = (),
    *,
    lost: bool = False,
) -> KernelLog:
    return KernelLog(
        source,
        "",
        _extent(before),
        tuple(before[-_KEPT:]),
        None if after is None else _extent(after),
        tuple(new[:_KEPT]),
        len(new),
        lost,
    )


def _extent(lines: Sequence[str]) -> LogExtent:
    text = "".join(f"{line}\n" for line in lines)
    return LogExtent(len(lines), hashlib.sha256(text.encode("utf-8")).hexdigest())


def _console_file(path: Path) -> ConsoleFile | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    name = f"{path.parent.name}/{path.name}"
    return ConsoleFile(name, len(content), hashlib.sha256(content).hexdigest())
