"""A table of NumPy columns: data frames are made of it, and notebooks show it."""

from __future__ import annotations

import html
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from hil.errors import SetupError

__all__ = ["ColumnTable", "html_table"]

_SHOWN_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """A table of NumPy columns, of one length, by name: `table["frame"]`. `rows` is the number of
    rows, `columns` the names. Thread-safe: nothing changes it, and its arrays are read-only
    (`table["t_us"].copy()` is one of your own)."""

    name: str
    data: Mapping[str, npt.NDArray[Any]]

    def __post_init__(self) -> None:
        views = {name: column.view() for name, column in self.data.items()}
        for view in views.values():
            view.flags.writeable = False
        object.__setattr__(self, "data", views)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        """Return a column, shape (rows,). Raises: KeyError, with the names that there are."""
        try:
            return self.data[column]
        except KeyError:
            known = ", ".join(self.data)
            raise KeyError(f"{self.name} has no column {column!r}; it has {known}") from None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self.data)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.data.values()), ()))

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame. Raises: SetupError if pandas is not installed."""
        return _optional("pandas").DataFrame(dict(self.data))

    def to_polars(self) -> Any:
        """Return a polars DataFrame. Raises: SetupError if polars is not installed."""
        return _optional("polars").DataFrame(dict(self.data))

    def __repr__(self) -> str:
        return f"<ColumnTable {self.name}: {self.rows} rows of {', '.join(self.data)}>"

    def _repr_html_(self) -> str:
        """Return the first rows as HTML, for notebooks."""
        shown = min(self.rows, _SHOWN_ROWS)
        rows = [[str(column[i]) for column in self.data.values()] for i in range(shown)]
        note = "" if shown == self.rows else f"<p>the first {shown} of {self.rows} rows</p>"
        return html_table(self.columns, rows) + note


def _optional(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise SetupError(
            f"{package} is not installed",
            remedy=f"pip install {package}; the columns are NumPy arrays without it",
        ) from None


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as HTML, its texts escaped."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(f"<{tag}>{html.escape(value)}</{tag}>" for value in values)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"
