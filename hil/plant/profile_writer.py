"""Writes a profile row by row: a flight of a year is larger than the memory."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TextIO, cast

import numpy as np
import numpy.typing as npt

__all__ = ["ProfileWriter"]

Floats = npt.NDArray[np.float64]


class ProfileWriter:
    """Writes columns as CSV or NPZ, by the suffix of the file; CSV to nine digits.

    The file is made when the first rows are added. A column of an NPZ must stand in it in one
    piece, so columns are kept in files beside it until the end.

    Raises: OSError from every method if the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = 0
        self._names: tuple[str, ...] = ()
        self._open = ExitStack()
        self._text: TextIO | None = None
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> ProfileWriter:  # noqa: PYI034  (Self is of Python 3.11)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            if kind is None and self._files:
                self._pack()

    def add(self, columns: Mapping[str, Floats]) -> None:
        """Write rows (N,) of all columns, the same in every call."""
        if not self._names:
            self._begin(tuple(columns))
        values = [np.ascontiguousarray(columns[name]) for name in self._names]
        self._rows += len(values[0])
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(columns[name], dtype="<f8").tobytes())
        if self._text is not None:
            line = ",".join(["%.9g"] * len(values)) + "\n"
            rows = zip(*(column.tolist() for column in values), strict=True)
            self._text.writelines(line % row for row in rows)

    def _begin(self, names: tuple[str, ...]) -> None:
        self._names = names
        if self._path.suffix.lower() != ".npz":
            self._text = self._open.enter_context(
                self._path.open("w", encoding="utf-8", newline="")
            )
            self._text.write(",".join(names) + "\n")
            return
        with self._path.open("wb"):  # can it be written? Not only after the flight
            pass
        folder = self._open.enter_context(
            tempfile.TemporaryDirectory(prefix=f".{self._path.name}.", dir=self._path.parent)
        )
        for number, name in enumerate(names):
            file = Path(folder, str(number)).open("w+b")  # noqa: SIM115  (closed by the stack)
            self._files[name] = cast("BinaryIO", self._open.enter_context(file))

    def _pack(self) -> None:
        header = {"descr": "<f8", "fortran_order": False, "shape": (self._rows,)}
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, column in self._files.items():
                column.seek(0)
                entry = zipfile.ZipInfo(
                    f"{name}.npy"
                )  # without the time of day: the same each time
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=True) as member:
                    np.lib.format.write_array_header_1_0(member, header)
                    shutil.copyfileobj(column, member, 1 << 20)
