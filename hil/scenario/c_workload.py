"""A user's own C file as the workload: its name, its text, and that of the files that it includes.

What a workload is stands in csrc/kernel/workload.h; `scenarios/workloads/template.c` is one to
copy. `hil.board_types.workload_build` compiles it."""

from __future__ import annotations

import hashlib
import posixpath
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator

from hil.errors import ConfigError, Problem
from hil.scenario.fields import FrozenModel
from hil.scenario.output_config import OutputFieldsConfig
from hil.scenario.problems import wrong
from hil.scenario.words import EXEC, WORKLOADS, Sha256
from hil.scenario.yaml.messages import describe

__all__ = [
    "CSource",
    "CWorkloadConfig",
    "c_workload_name",
    "read_c_source",
]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,14}")  # MESSAGE_NAME_LEN, csrc/wire/message.h
_INCLUDE: Final = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_FILES_MAX: Final = 200
_BYTES_MAX: Final = 16 << 20


def c_workload_name(file: str) -> str:
    """Return the name of the workload that a C file defines: that of the file.

    Raises: ValueError, with what was expected."""
    path = Path(file)
    if path.suffix != ".c" or not _NAME.fullmatch(path.stem):
        raise ValueError(
            f"{describe(file)} is not the C file of a workload; expected NAME.c, with a letter and "
            "up to 14 of a-z, 0-9 and _ as NAME"
        )
    if path.stem in (*WORKLOADS, EXEC):
        raise ValueError(
            f"{describe(file)}: there is a workload `{path.stem}` already; give the file another "
            "name"
        )
    return path.stem


def _c_file(value: str) -> str:
    try:
        c_workload_name(value)
    except ValueError as error:
        raise wrong(str(error)) from None
    return value


class CWorkloadConfig(FrozenModel):
    """A workload of your own: a C file, which is compiled when it is needed."""

    @model_validator(mode="before")
    @classmethod
    def _file_is_enough(cls, value: Any) -> Any:
        return {"c": value} if isinstance(value, str) else value

    c: Annotated[str, AfterValidator(_c_file)] = Field(
        description="The file NAME.c, which defines workload_NAME (csrc/kernel/workload.h). "
        "Relative to the scenario's folder."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Of this file; with files that it includes, of the list that sha256sum prints "
        "of all. Filled in if it is not there.",
    )
    fields: OutputFieldsConfig = Field(
        default=(),
        description="The fields of the output: name, type and unit; default: only its bytes are "
        "known.",
    )

    @property
    def name(self) -> str:
        """Return the name of the workload."""
        return Path(self.c).stem


@dataclass(frozen=True, slots=True)
class CSource:
    """The text of a workload: `files` are the C file `path` itself and those that it includes from
    its own folder, by their names relative to it. `sha256`: as in `CWorkloadConfig`."""

    name: str
    path: Path
    files: tuple[tuple[str, bytes], ...]
    sha256: str

    def line_of(self, word: str) -> tuple[str, int]:
        """Return the file and the line in which a word is written first, but for comments that
        begin the line; line 0 of the C file if it is nowhere."""
        wanted = re.compile(rb"\b" + re.escape(word.encode()) + rb"\b")
        for name, content in self.files:
            for number, line in enumerate(content.splitlines(), 1):
                if wanted.search(line) and not line.lstrip().startswith((b"*", b"/", b"#include")):
                    return str(self.path.parent / name), number
        return str(self.path), 0


def read_c_source(file: Path, sha256: str | None = None) -> CSource:
    """Return the text of the workload in a C file.

    Raises: ConfigError if it cannot be read, includes a file from outside its folder, or has
    another digest than `sha256`."""
    files: dict[str, bytes] = {}
    waiting = [file.name]
    while waiting:
        name = waiting.pop()
        if name in files or (files and not (file.parent / name).is_file()):
            continue  # not of the user: of the kernel, or the compiler says that it is missing
        content = files[name] = _content(file.parent / name)
        if len(files) > _FILES_MAX or sum(map(len, files.values())) > _BYTES_MAX:
            raise _unusable(file, f"it includes more than {_FILES_MAX} files or 16 MiB")
        waiting += _included(file, name, content)
    digest = _digest(files)
    if sha256 not in (None, digest):
        raise _unusable(
            file,
            f"its SHA-256 is {digest}, not {sha256}: the file has changed, or one that it includes",
            "restore it, or remove `sha256:`",
        )
    return CSource(c_workload_name(file.name), file, tuple(files.items()), digest)


def _digest(files: Mapping[str, bytes]) -> str:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if len(digests) == 1:
        return next(iter(digests.values()))
    listing = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(listing.encode()).hexdigest()


def _included(file: Path, name: str, content: bytes) -> list[str]:
    """Return the names of the files that one of the files includes with quotes, whether they are
    there or not. Raises: ConfigError for one outside the folder: its content would be part of the
    program, and not of its digest."""
    names: list[str] = []
    for match in _INCLUDE.finditer(content):
        wanted = match[1].decode("utf-8", "replace")
        inner = posixpath.normpath(posixpath.join(posixpath.dirname(name), wanted))
        if inner.startswith(("/", "../")):
            line = content[: match.start()].count(b"\n") + 1
            raise ConfigError(
                [
                    Problem(
                        str(file.parent / name),
                        line,
                        1,
                        "",
                        f'"{wanted[:80]}" is outside the folder of {file.name}',
                        "copy it there, and include it by its name",
                    )
                ]
            )
        names.append(inner)
    return names


def _unusable(file: Path, message: str, remedy: str = "") -> ConfigError:
    return ConfigError([Problem(str(file), 0, 0, "", message, remedy)])


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device has no end
            raise _unusable(path, "it is not a regular file")
        if status.st_size > _BYTES_MAX:
            raise _unusable(path, "it is longer than 16 MiB")
        return path.read_bytes()
    except OSError as error:
        raise _unusable(
            path, f"the C file of the workload cannot be read: {error.strerror or error}"
        ) from None
