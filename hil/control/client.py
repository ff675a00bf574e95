"""The client: sends commands to a running run. For views and `hil control`; imports no engine.

    with Client(Path("runs/X")) as client:
        answer = client.send(IsolateNode("b"))

One request at a time; not thread-safe. `send` waits for the answer, so a screen calls it in a
worker thread."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from hil.control.answers import Answer, AnswerData, answer_of
from hil.control.commands import OperatorCommand, WrongArgument
from hil.control.place import address_in, opened, peer_of
from hil.control.protocol import LINE_MAX, SOCKET_NAME, Request, request_line
from hil.errors import SetupError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Client", "takes_commands"]

TIMEOUT_S: Final = 60.0
"""The default time-out of an answer [s]: it comes after the command, such as a slow board's reset,
has been carried out."""
_ANSWER_MAX: Final = 1 << 20


def takes_commands(run_dir: Path) -> bool:
    """Return whether the run folder has a control socket; its run may have been killed."""
    return (run_dir / SOCKET_NAME).is_socket()


class Client:
    """A connection to the run in `run_dir`.

    `timeout_s`: how long to wait for an answer [s]. Raises: UsageError if that run takes no
    commands; SetupError if it cannot be reached, or belongs to another user. Not thread-safe."""

    def __init__(self, run_dir: Path, timeout_s: float = TIMEOUT_S) -> None:
        self.run_dir = run_dir
        self._timeout_s = timeout_s
        self._rest = b""
        self._count = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect()
        except BaseException:
            self._socket.close()
            raise

    def _connect(self) -> None:
        self._socket.settimeout(self._timeout_s)
        try:
            with opened(self.run_dir) as folder:
                self._socket.connect(address_in(self.run_dir, folder))
            owner = peer_of(self._socket)
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self.run_dir.is_dir():
                raise UsageError(
                    f"there is no run folder {self.run_dir}",
                    remedy="name the folder of a run, as `hil run` printed it",
                ) from error
            raise UsageError(
                f"the run in {self.run_dir} takes no commands: it has ended, or was started "
                "without --control",
                remedy="start the run with --control to send it commands",
            ) from error
        except ConnectionRefusedError as error:
            raise SetupError(
                f"no process listens on {self.run_dir / SOCKET_NAME}: the run was killed",
                remedy=f"resume it: hil run --resume {self.run_dir} --control",
            ) from error
        except PermissionError as error:
            raise SetupError(
                f"the run in {self.run_dir} belongs to another user; only that user may command it",
                remedy="send commands as the user who started the run",
            ) from error
        except OSError as error:
            raise SetupError(
                f"cannot reach the run in {self.run_dir}: {error.strerror or error}",
                remedy="`hil replay RUN --summary` shows whether it is still running",
            ) from error
        if owner.uid != os.geteuid():  # another user put a socket there
            raise SetupError(
                f"{self.run_dir / SOCKET_NAME} is answered by user {owner.name}, not by you",
                remedy="send commands as the user who started the run",
            )

    def send(self, command: OperatorCommand) -> Answer:
        """Send a command and return the run's answer, which may be a refusal.

        Raises: UsageError if the arguments are not valid in any run; SetupError if the run ends or
        does not answer in time."""
        described = command.command
        try:
            described.parse(command.as_json())
        except WrongArgument as why:
            remedy = f"for example: hil control RUN {described.examples[0]}"
            raise UsageError(str(why), remedy=remedy) from why
        self._count += 1
        return self._ask(request_line(Request(command, self._count)), described.answer)

    def _ask(self, line: bytes, data: type[AnswerData] | None) -> Answer:
        if len(line) > LINE_MAX:
            raise UsageError(f"the command has {len(line)} bytes; at most {LINE_MAX} are allowed")
        deadline_s = time.monotonic() + self._timeout_s
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(line)  # a server that rejects the connection answers first
            while True:
                answer = answer_of(self._line(deadline_s), data)
                if answer is None:
                    raise SetupError(f"the process that answers in {self.run_dir} is not a hil run")
                if answer.id == self._count or (answer.id is None and not answer.ok):
                    return answer  # others are late answers to requests that timed out
        except TimeoutError as error:
            raise SetupError(
                f"the run in {self.run_dir} did not answer for {self._timeout_s:g} s; it may still "
                "carry the command out",
                remedy="the table `commands` of run.db lists what was carried out",
            ) from error
        except OSError as error:
            raise SetupError(
                f"the run in {self.run_dir} ended before it answered",
                remedy=f"hil replay {self.run_dir} --summary",
            ) from error

    def _line(self, deadline_s: float) -> bytes:
        while b"\n" not in self._rest:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            self._socket.settimeout(remaining_s)
            part = self._socket.recv(65536)
            if not part or len(self._rest) > _ANSWER_MAX:
                raise ConnectionResetError
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
