"""Numbers in the notation of other programs, countries and YAML 1.1, and their form here."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_plain", "number_remedy", "rewritten"]

_DIGITS: Final = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN: Final = re.compile(rf"{_DIGITS}(?:[eE][-+]?[0-9]+)?")
_COMMA: Final = re.compile(r"([-+]?[0-9]*),([0-9]+)((?:[eE][-+]?[0-9]+)?)")
_EUROPEAN: Final = re.compile(r"[-+]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_ENGLISH: Final = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_FORTRAN: Final = re.compile(rf"({_DIGITS})[dD]([-+]?[0-9]+)")
_GROUPED: Final = re.compile(
    r"[-+]?[0-9]{1,3}(?:([' \u00a0\u202f\u2009\u2019])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]*)?"
)
_UNDERSCORES: Final = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?")
_BINARY: Final = re.compile(r"[-+]?0[bB][01_]+")
_OCTAL: Final = re.compile(r"[-+]?0[oO][0-7_]+")
_HEXADECIMAL: Final = re.compile(r"[-+]?0[xX][0-9a-fA-F_]+")
_SEXAGESIMAL: Final = re.compile(r"([-+]?[0-9]+):([0-5]?[0-9])(?::([0-5]?[0-9](?:\.[0-9]*)?))?")
_UNIT: Final = re.compile(
    rf"({_DIGITS}(?:[eE][-+]?[0-9]+)?)\s*((?:[A-Za-z%/\u00b0\u00b5\u03bc\u2126\u03a9][^0-9_]*))"
)
_MOST: Final = 60
_NOT_FINITE: Final = frozenset({"nan", "inf", "infinity", ".nan", ".inf"})


def is_plain(text: str) -> bool:
    """Return whether `text` is a number as used here: ASCII digits, a point, an exponent."""
    return _PLAIN.fullmatch(text) is not None


def number_remedy(text: str, *, whole: bool = False, key: str = "") -> str:
    """Return a remedy for `text` where a number (`whole`: an integer) was expected; may be empty.

    `key` is the name of the value, which ends in its unit.
    """
    text = text.strip()
    if is_plain(text):
        return "remove the quotes"
    if text.lower().lstrip("+-") in _NOT_FINITE:
        return "write a finite number"
    clock = _SEXAGESIMAL.fullmatch(text)
    if clock is not None:
        return _of_clock(clock, key)
    better = rewritten(text, whole=whole)
    unit = _UNIT.fullmatch(text) if len(text) <= _MOST else None
    if better is None and unit is not None:
        if unit[2] == "%":
            return "" if whole else f"write {float(unit[1]) / 100:g} for {text}"
        if unit[2] in {"x", "X", "e", "E"}:  # an unfinished number
            return ""
        return f"write {unit[1]}; its unit is that of the key or the column"
    if better is None or (whole and "." in better):
        return ""
    return f"write {better}"


def rewritten(text: str, *, whole: bool = False) -> str | None:
    """Return the number that `text` probably means, as used here; None if there is none."""
    text = text.strip()
    if len(text) > _MOST:
        return None
    rest = text[1:]
    if text[:1] in ("\u2212", "\u2013", "\uff0d"):
        return f"-{rest}" if is_plain(rest) else None
    fortran = _FORTRAN.fullmatch(text)
    if fortran is not None:
        return f"{fortran[1]}e{fortran[2]}"
    return _of_programmers(text) or _of_countries(text, whole)


def _of_programmers(text: str) -> str | None:
    """Rewrite other bases, and digits grouped by underscores."""
    for pattern, base in ((_BINARY, 2), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            try:
                return str(int(text, base))
            except ValueError:  # underscores in wrong places
                return None
    tidy = "__" not in text and not text.endswith("_")
    return text.replace("_", "") if tidy and _UNDERSCORES.fullmatch(text) else None


def _of_countries(text: str, whole: bool) -> str | None:
    """Rewrite decimal commas, and digits grouped by commas, points, blanks or apostrophes."""
    if _GROUPED.fullmatch(text):
        return re.sub("[^-+0-9.]", "", text)
    if _EUROPEAN.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    english = _ENGLISH.fullmatch(text) is not None
    comma = _COMMA.fullmatch(text)
    if comma is None or (whole and english):
        return text.replace(",", "") if english else None
    decimal = f"{comma[1] or '0'}.{comma[2]}{comma[3]}"
    if english:
        return f"{decimal}, or {text.replace(',', '')} if the comma separates thousands"
    return decimal


def _of_clock(clock: re.Match[str], key: str) -> str:
    """Rewrite `12:30`, which only YAML 1.1 reads as a number: 750, or 45000 for `12:30:00`."""
    sign = -1.0 if clock[1].startswith("-") else 1.0
    third = 0.0 if clock[3] is None else float(clock[3])
    hours = sign * (abs(float(clock[1])) + float(clock[2]) / 60.0 + third / 3600.0)
    if key.endswith(("_h", "_deg")):
        return f"write {hours:.9g}"
    if key.endswith("_s") and clock[3] is not None:
        return f"write {hours * 3600.0:.9g}"
    if key.endswith("_s"):
        return f"write {hours * 60.0:.9g} for minutes and seconds"
    return "write one number, in the unit of the key"
