"""Profiles from NPZ files. Whatever stands in a file is either numbers or a ConfigError.

Nothing is unpickled, and no array is made that is larger than its own entry in the file."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.errors import ConfigError
from hil.plant.profile_columns import MAX_ROWS, unusable

__all__ = ["read_npz"]

Floats = npt.NDArray[np.float64]

_SUFFIX: Final = ".npy"
_WRITE: Final = "numpy.savez(FILE, t_s=..., illumination=...)"
_MAX_ENTRIES: Final = 10_000
_MAX_HEADER: Final = 1 << 16
_MAX_BYTES: Final = 4 << 30
_KINDS: Final = {
    "O": "of Python objects",
    "U": "of text",
    "S": "of text",
    "c": "of complex numbers",
    "V": "of records",
}
# What a file begins with that is another one.
_OTHERS: Final = (
    (b"\x93NUMPY", "it is a single array (.npy)", f"write an array per column: {_WRITE}"),
    (b"\x89HDF", "it is an HDF5 file", f"convert it: {_WRITE}"),
    (b"MATLAB", "it is a MATLAB file", f"convert it: {_WRITE}"),
    (b"\x80", "it is a pickle", f"write it with {_WRITE}"),
    (b"\x1f\x8b", "it is compressed with gzip", "decompress it first"),
)


def read_npz(path: Path) -> dict[str, Floats]:
    """Return the columns of an NPZ file: one-dimensional arrays of real numbers of one length.

    Raises:
        ConfigError: The file is anything else.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            columns = _columns(path)
    except ConfigError:
        raise
    # zipfile, its decompressors and numpy's reader raise whatever the bytes lead them to: zlib and
    # LZMA errors, EOFError, struct.error, UnicodeDecodeError, MemoryError, RuntimeError ...
    except Exception as error:  # noqa: BLE001
        raise _damaged(path, error) from None
    lengths = {name: column.shape for name, column in columns.items()}
    for name, shape in lengths.items():
        if len(shape) != 1:
            raise unusable(
                path,
                1,
                name,
                f"its shape is {shape}; expected one dimension",
                "give every column one value a row",
            )
    if len(set(lengths.values())) > 1:
        shapes = ", ".join(f"{name} {shape[0]}" for name, shape in [*lengths.items()][:8])
        raise unusable(
            path, 1, "", f"its columns differ in length: {shapes}", "give every column as many rows"
        )
    return columns


def _columns(path: Path) -> dict[str, Floats]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename.removesuffix(_SUFFIX) for entry in entries]
        if len(entries) > _MAX_ENTRIES:
            raise unusable(path, 1, "", f"{len(entries)} columns; expected up to {_MAX_ENTRIES}")
        if sum(entry.file_size for entry in entries) > _MAX_BYTES:
            raise unusable(
                path,
                1,
                "",
                f"it holds more than {_MAX_BYTES >> 30} GiB, the most that is read",
                "keep every tenth row, or fewer columns",
            )
        for index, name in enumerate(names):
            if name in names[:index]:
                raise unusable(path, 1, name, "this column is listed twice", "remove one")
        return {
            name: _column(path, archive, entry, name)
            for entry, name in zip(entries, names, strict=True)
        }


def _column(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Floats:
    if not entry.filename.endswith(_SUFFIX):
        raise unusable(
            path,
            1,
            name,
            "an entry that is not an array; expected .npy files only",
            f"write it with {_WRITE}",
        )
    if entry.file_size > 16 * MAX_ROWS + _MAX_HEADER:
        raise unusable(path, 1, name, f"more than {MAX_ROWS} rows, the most that is read")
    with archive.open(entry) as file:
        shape, _, dtype = _header(file)
        if dtype.kind in "mM":
            raise unusable(
                path,
                1,
                name,
                f"it is of type {dtype}; expected numbers",
                "times are seconds from the start of the run: "
                "(t - t[0]) / numpy.timedelta64(1, 's')",
            )
        if dtype.kind not in "biuf":
            what = _KINDS.get(dtype.kind, f"of type {dtype.kind}")
            raise unusable(
                path,
                1,
                name,
                f"it is an array {what}; expected real numbers",
                "convert it: .astype(float)",
            )
        count = 1
        for length in shape:
            count *= length
        if count * dtype.itemsize > entry.file_size:
            raise EOFError(f"{name} ends before its last value")
    with archive.open(entry) as file:
        values: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):  # also makes zipfile compare the checksum
            raise ValueError(f"{name} continues past its last value")
    return np.asarray(values, dtype=np.float64)


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type of an array, without reading it."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version[0]}.{version[1]} of .npy is for names of records")


def _damaged(path: Path, error: Exception) -> ConfigError:
    try:
        with path.open("rb") as file:
            begin = file.read(8)
    except OSError as failed:
        return unusable(path, 1, "", f"it cannot be read: {failed.strerror or failed}")
    if not begin:
        return unusable(path, 1, "", "it is empty", f"write it with {_WRITE}")
    for magic, what, remedy in _OTHERS:
        if begin.startswith(magic):
            return unusable(path, 1, "", f"{what}; expected an npz file", remedy)
    why = " ".join(str(error).split())[:120] or type(error).__name__
    if not begin.startswith(b"PK"):
        return unusable(path, 1, "", "it is not an npz file", f"write it with {_WRITE}")
    return unusable(path, 1, "", f"it is damaged: {why}", f"write it again: {_WRITE}")
