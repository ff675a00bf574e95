"""The file of a page: one HTML document without any other file, written as a whole or not at
all."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from hil.errors import SetupError, UsageError
from hil.report.markup import text

__all__ = ["asset", "document", "must_be_new", "write_file"]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def asset(name: str) -> str:
    """Return a style or a script of pages."""
    return (resources.files("hil.report") / "page" / name).read_text(encoding="utf-8")


def document(title: str, body: str, styles: str, *, policy: str = "") -> str:
    """Return a page with this body. `policy` is added to the sources of its scripts; nothing else
    is allowed than what stands in the page itself."""
    allowed = f"{_POLICY} {policy}".rstrip()
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{allowed}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{styles}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def must_be_new(file: Path) -> None:
    """Check that a file can be written without losing another. Raises: UsageError."""
    if file.exists():
        raise UsageError(f"{file} exists already", remedy="name another file, or delete it")
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}", remedy="make it first")


def write_file(file: Path, content: str) -> None:
    """Write a file, which is never seen half written. Raises: SetupError."""
    draft = file.with_name(f"{file.name}.new")
    try:
        draft.write_text(content, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SetupError(f"cannot write {file}: {error.strerror}") from error
