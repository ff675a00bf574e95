"""The inputs of a program, read from the file or the scenario that has them, and checked."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import ConfigError, Problem
from hil.scenario.program import ExecInputConfig, hex_bytes

__all__ = ["ProgramInputs", "read_inputs"]

_FILE_MAX: Final = 256 << 20
"""[byte] Inputs are kept in memory."""
_PROBLEMS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class ProgramInputs:
    """The inputs of all frames, one after the other. `length`: of each [byte]; 0: as the program
    says. `source` names them in messages; `sha256` is that of their file, empty without one."""

    source: str
    data: bytes
    length: int
    repeat: bool
    sha256: str = ""

    def of(self, frame: int, length: int) -> bytes:
        """Return the input of a frame, of `length` bytes; after the last one the first comes
        again."""
        at = frame % (len(self.data) // length) * length
        return self.data[at : at + length]

    def mismatch(self, length: int, frames: int | None = None) -> str:
        """Return why these cannot be the inputs of a program that takes `length` bytes, in a run of
        so many frames (None: not known); empty if they can."""
        if length == 0:
            return f"{self.source}: the program takes no input"
        if self.length not in (0, length):
            return (
                f"{self.source}: inputs of {self.length} bytes; the program expects {length} bytes"
            )
        if len(self.data) % length or not self.data:
            return (
                f"{self.source}: {len(self.data)} bytes; expected a multiple of {length}, which is "
                "an input of the program"
            )
        count = len(self.data) // length
        if frames is not None and count < frames and not self.repeat:
            return f"{self.source}: {count} inputs for {frames} frames"
        return ""


def read_inputs(config: ExecInputConfig) -> ProgramInputs:
    """Return the inputs that a scenario names.

    Raises: ConfigError, with file and line, if the file cannot be read, has no inputs, is another
    than the one with the `sha256` of the scenario, or a line is not an input."""
    if config.sequence is not None:
        parts = [bytes.fromhex(text) for text in config.sequence]
        return ProgramInputs("`sequence`", b"".join(parts), len(parts[0]), config.repeat)
    name = config.file
    assert name is not None
    content = _content(name)
    digest = hashlib.sha256(content).hexdigest()
    if config.sha256 not in (None, digest):
        raise _unusable(
            name,
            f"its SHA-256 is {digest}, not {config.sha256}: the file has changed",
            "restore it, or remove `sha256:`",
        )
    if not content.strip() and (config.hex is not None or not content):
        raise _unusable(name, "there is no input in it")
    if config.raw is not None:
        return ProgramInputs(name, content, 0, config.repeat, digest)
    lines = _lines(name, content)
    return ProgramInputs(name, b"".join(lines), len(lines[0]), config.repeat, digest)


def _unusable(name: str, message: str, remedy: str = "") -> ConfigError:
    return ConfigError([Problem(name, 0, 0, "", message, remedy)])


def _content(name: str) -> bytes:
    try:
        path = Path(name)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device has no end
            raise _unusable(name, "it is not a regular file")
        if status.st_size > _FILE_MAX:
            raise _unusable(name, f"it is longer than {_FILE_MAX >> 20} MiB")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise _unusable(name[:200], f"the file with the inputs cannot be read: {why}") from None


def _lines(name: str, content: bytes) -> Sequence[bytes]:
    """Return the inputs in the lines of a text file. Raises: ConfigError."""
    parts: list[bytes] = []
    problems: list[Problem] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            part = hex_bytes(text)
            if parts and len(part) != len(parts[0]):
                raise ValueError(
                    f"an input of {len(part)} bytes; expected {len(parts[0])}, as the first one has"
                )
            parts.append(part)
        except ValueError as error:
            problems.append(Problem(name, number, 1, "", str(error)))
        if len(problems) == _PROBLEMS_MAX:
            break
    if not (problems or parts):
        problems.append(Problem(name, 0, 0, "", "there is no input in it"))
    if problems:
        raise ConfigError(problems)
    return parts
