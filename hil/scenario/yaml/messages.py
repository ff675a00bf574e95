"""Error messages about YAML files: values in words, and remedies for syntax errors."""

from __future__ import annotations

import re

import yaml

from hil.errors import Problem

__all__ = ["character_problem", "describe", "shortened", "syntax_problem"]


def shortened(text: str) -> str:
    """Return `text`, cut to 40 characters for a message."""
    return text if len(text) <= 40 else text[:37] + "..."


def describe(value: object) -> str:
    """Return `value` in a few words, for messages: "the text `abc`", "a list"."""
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        try:
            shown = str(value)
        except ValueError:  # more digits than Python converts
            return "a huge number"
        return f"the number {shown}" if len(shown) <= 40 else "a huge number"
    if isinstance(value, str):
        return f"the text `{shortened(value)}`"
    return "a mapping" if isinstance(value, dict) else "a list"


_QUOTE = "put texts that contain `: ` or ` #`, or begin with a special character, in quotes"
_INDENT = "lines of one mapping or list must begin in the same column"
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "a tab where only spaces may stand", "indent with spaces"),
    (
        r"mapping values are not allowed here",
        "a `:` where no key can be",
        f"{_INDENT}; {_QUOTE}",
    ),
    (r"could not find expected ':'", "a key without its `:`", f"write `key: value`; {_QUOTE}"),
    (
        r"expected chomping or indentation indicators",
        "a text cannot begin with `>` or `|`",
        'put comparisons in quotes, like ">= 0.999"',
    ),
    (r"expected <block end>, but found", "this line does not fit the lines above it", _INDENT),
    (r"found undefined alias", "an alias (`*name`) of an anchor that is not defined above", _QUOTE),
    (r"found duplicate anchor", "an anchor (`&name`) is defined a second time", "rename one"),
    (r"unexpected end of stream", "a quote is opened here, but never closed", "close it"),
    (
        r"expected ',' or '[\]}]', but got '<stream end>'",
        "a bracket is opened here, but never closed",
        "close it",
    ),
    (
        r"expected ',' or '[\]}]'",
        "a comma or the closing bracket is missing between brackets",
        "separate the values with commas",
    ),
    (
        r"found character '.' that cannot start any token",
        "a text cannot begin with this character",
        _QUOTE,
    ),
    (r"but found another document", "a second document (`---`); expected one", "split the file"),
    (r"unknown escape character", "an unknown `\\` escape in double quotes", "use single quotes"),
    (r"more than \d+ levels of nesting", "", "no scenario needs that; is it the right file?"),
)
_AT_CONTEXT = ("unexpected end of stream", "but got '<stream end>'", "could not find expected ':'")


def syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """Return the Problem for PyYAML's `error` in `text`, in words for users."""
    original = ", ".join(str(part) for part in (error.context, error.problem) if part)
    message, remedy = original, ""
    for pattern, friendly, what_to_do in _SYNTAX:
        if re.search(pattern, original):
            message, remedy = friendly or original, what_to_do
            break
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(words in original for words in _AT_CONTEXT):
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    indent = re.match(r"[ \t]*", lines[min(line, len(lines) - 1)])
    tab = -1 if indent is None else indent[0].find("\t")
    if tab >= 0:  # the real cause, whatever the parser reports
        message, remedy = "a tab in the indentation; only spaces may stand there", "use spaces"
        column = tab
    return Problem(file, line + 1, column + 1, "$", f"not valid YAML: {message}", remedy)


def character_problem(error: yaml.reader.ReaderError, text: str, file: str) -> Problem:
    """Return the Problem for a control character that YAML does not allow."""
    before = text[: error.position]
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return Problem(
        file,
        before.count("\n") + 1,
        len(before) - before.rfind("\n"),
        "$",
        f"the control character U+{code:04X} is not allowed in YAML",
        "remove it; is it the right file?",
    )
