"""Says whether a finished record is still what it was when its run ended."""

from __future__ import annotations

from collections.abc import Sequence

from hil.errors import RecordError
from hil.printable import quoted
from hil.record.reader import Reader
from hil.record.seal import SEAL, difference
from hil.report.markup import text
from hil.verification.ending import SEALED_SINCE

__all__ = ["changed_parts", "changed_words"]


def changed_parts(reader: Reader) -> Sequence[str]:
    """Return what in a finished record is not what its digest was computed of: tables, by name;
    nothing of a run that has not ended, and of an older record, which have no digest. Raises:
    RecordError if the digest of the record is damaged."""
    if not reader.is_complete or reader.version < SEALED_SINCE:
        return ()
    try:
        now = reader.seal()
    except RecordError:
        return ("what it has cannot be read",)
    parts = [what for what, _, _ in difference(reader.meta_json(SEAL), now)]
    return [part for part in parts if part != "record digest"] or parts


def changed_words(name: str, changed: Sequence[str]) -> str:
    """Return the warning that the record of run `name` was changed; empty if it was not. HTML."""
    if not changed:
        return ""
    parts = ", ".join(part.replace("`", "") for part in changed)
    return (
        f'<p class="warning">The record of run {text(name)} was changed after the run had ended, '
        f"and this page shows it as it is now. Not what the record digest was computed of: "
        f"{text(parts)}. "
        f"<code>hil replay {text(quoted(name))} --verify</code> lists what differs.</p>"
    )
