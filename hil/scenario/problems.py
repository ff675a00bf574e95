"""Translates pydantic's errors into Problems for users, and helpers for validators."""

from __future__ import annotations

import difflib
import enum
import math
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from hil.errors import ConfigError, Problem
from hil.scenario.fields import C_FORM, NAME_FORM, ONNX_FORM, FrozenModel
from hil.scenario.numerals import number_remedy
from hil.scenario.yaml.document import Document, KeyPath
from hil.scenario.yaml.messages import describe

__all__ = [
    "Findings",
    "did_you_mean",
    "nearest",
    "one_of",
    "refuse_newer_schema",
    "translate",
    "wrong",
    "wrong_at",
]

M = TypeVar("M", bound=BaseModel)


class Findings(list[tuple[KeyPath, str, str]]):
    """Problems found by a validator: each a path below its value, a message and a remedy."""

    def add(self, path: str | KeyPath, message: str, remedy: str = "") -> None:
        """Add a problem at `path`, or at the key `path`."""
        self.append(((path,) if isinstance(path, str) else path, message, remedy))


def wrong(message: str, remedy: str = "") -> PydanticCustomError:
    """Return the error for a validator to raise."""
    return PydanticCustomError("hil", "{message}", {"message": message, "remedy": remedy})


def wrong_at(title: str, findings: Findings) -> None:
    """Report all `findings`, relative to the value being validated; return if there are none.

    Raises: ValidationError, one for all findings."""
    details = [
        InitErrorDetails(type=wrong(message, remedy), loc=path, input=None)
        for path, message, remedy in findings
    ]
    if details:
        raise ValidationError.from_exception_data(title, details)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` most likely means, or None if none is near."""
    candidates = list(known)
    plain = {candidate.lower().replace("-", "_"): candidate for candidate in candidates}
    wanted = word.lower().replace("-", "_")[:80]
    close = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6)
    if close:
        return plain[close[0]]
    if len(wanted) < 3:
        return None
    related = [p for p in plain if wanted in p or (len(p) > 2 and p in wanted)]
    return plain[min(related, key=len)] if related else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a remedy that names the nearest known word, or ""."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else ""


def one_of(words: Collection[str]) -> str:
    """Return the words as a list to choose from."""
    return ("one of " if len(words) > 1 else "") + ", ".join(words)


def refuse_newer_schema(document: Document, supported: int, what: str) -> None:
    """Refuse a document that states a newer `schema:`.

    Raises: ConfigError, for that alone: other findings may be valid in the newer schema.
    """
    version = document.data.get("schema")
    if isinstance(version, int) and not isinstance(version, bool) and version > supported:
        raise ConfigError(
            [
                document.problem(
                    ("schema",),
                    f"this {what} is written for schema {version}; "
                    f"this version of hil reads schema {supported}",
                    "update hil",
                )
            ]
        )


def translate(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """Return all errors of `document` as Problems in words for users."""
    return [
        _problem(detail, model, document)
        for detail in error.errors(include_url=False, include_context=True)
    ]


def _problem(detail: ErrorDetails, model: type[BaseModel], document: Document) -> Problem:
    path = written_path(detail["loc"], document)
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "hil":
        at_key = detail["loc"][-1:] == ("[key]",)
        return document.problem(path, context["message"], context["remedy"], at_key=at_key)
    if kind == "extra_forbidden":
        known = _keys(_model_at(model, path[:-1]))
        key = str(path[-1])
        hint = did_you_mean(key, known)
        shown = "unknown key" if len(known) > 16 else f"unknown key; expected {one_of(known)}"
        return document.problem(path, shown, hint or "remove it", at_key=True)
    if kind == "missing":
        field = _field_at(model, path)
        return document.problem(
            path,
            f"this key is missing; expected {_expected(field, kind)}",
            f"add `{path[-1]}:`",
        )
    field = _field_at(model, path)
    value = detail["input"]
    if kind in ("string_too_short", "string_too_long"):
        short = kind.endswith("short")
        bound = context["min_length" if short else "max_length"]
        most = "at least" if short else "at most"
        return document.problem(path, f"{describe(value)}; expected {most} {bound} characters")
    if kind in ("too_long", "too_short") and isinstance(value, (list, tuple)):
        bound = context.get("max_length", context.get("min_length"))
        return document.problem(path, f"a list of {len(value)}; expected {bound}")
    if value is None:
        return document.problem(
            path,
            f"this key has no value; expected {_expected(field, kind)}",
            "give it one, or remove the key",
        )
    remedy = ""
    if kind == "string_type" and isinstance(value, (int, float)):
        remedy = "put it in quotes"
    if kind == "int_type" and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        remedy = f"write {int(value)}"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        key = next((step for step in reversed(path) if isinstance(step, str)), "")
        remedy = number_remedy(value, whole=kind == "int_type", key=key)
    if isinstance(value, float) and not math.isfinite(value):
        remedy = "write a finite number"
    if kind == "bool_type" and isinstance(value, str):
        remedy = _BOOLEANS.get(value.lower(), "")
    return document.problem(path, f"{describe(value)}; expected {_expected(field, kind)}", remedy)


# As YAML 1.1 writes them.
_BOOLEANS = dict.fromkeys(("yes", "on", "y", "true"), "write true") | dict.fromkeys(
    ("no", "off", "n", "false"), "write false"
)


_NO_STEPS = ("[key]", NAME_FORM, C_FORM, ONNX_FORM)


def written_path(loc: Sequence[str | int], document: Document) -> KeyPath:
    """Convert a path in the model to the path in the file, where a shorter form may stand."""
    path = tuple(step for step in loc if step not in _NO_STEPS)
    known = 0
    while known < len(path) and document.written(path[: known + 1]):
        known += 1
    if known == len(path):
        return path
    # A name in place of a mapping (`nodes: [a]`, `pattern: bit`), or `target` for `targets`.
    if path[known] == "targets" and document.written((*path[:known], "target")):
        return (*path[:known], "target")
    parent = document.get(path[:known])
    return path if isinstance(parent, (dict, list)) else path[:known]


# What a field expects -----------------------------------------------------------------------------


def _keys(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    keys = [info.alias or name for name, info in model.model_fields.items()]
    return [*keys, *(model.ALSO_ACCEPTED if issubclass(model, FrozenModel) else ())]


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    annotation: Any = model
    for step in path:
        if isinstance(step, int):
            annotation = next((a for a in typing.get_args(annotation) if a is not Ellipsis), None)
        else:
            field = _find(_as_model(annotation), step)
            annotation = None if field is None else field.annotation
    return _as_model(annotation)


def _as_model(annotation: Any) -> type[BaseModel] | None:
    arguments = typing.get_args(annotation)
    if arguments:  # in Python 3.10, tuple[X] is a type as well
        return next((m for m in map(_as_model, arguments) if m is not None), None)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


def _find(model: type[BaseModel] | None, key: str | int) -> FieldInfo | None:
    if model is None:
        return None
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            return info
    return None


def _field_at(model: type[BaseModel], path: KeyPath) -> FieldInfo | None:
    if not path or isinstance(path[-1], int):
        return None
    found = _find(_model_at(model, path[:-1]), path[-1])
    if found is None and (mapping := _field_at(model, path[:-1])) is not None:
        return _value_of(mapping.annotation)
    return found


def _value_of(annotation: Any) -> FieldInfo | None:
    """Return what the values of a mapping are, if the type of a field is one with free keys."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (dict, Mapping):
        return FieldInfo.from_annotation(arguments[1])
    return next((v for v in map(_value_of, arguments) if v is not None), None)


_MAPPING = "a mapping (`key: value`)"
_KINDS = {"tuple": "a list", "list": "a list", "dict": _MAPPING, "model": _MAPPING}


def _expected(field: FieldInfo | None, kind: str) -> str:
    """Return what follows "expected": the type, and its range or words where it has any.

    Without a field (the value is an element of a list), from pydantic's `kind` of error.
    """
    if field is None:
        return next((text for word, text in _KINDS.items() if kind.startswith(word)), "a value")
    extra = field.json_schema_extra
    if isinstance(extra, dict) and isinstance(extra.get("enum"), list):
        return one_of([str(word) for word in typing.cast("list[str]", extra["enum"])])
    return _described(field.annotation, [*field.metadata])


def _described(annotation: Any, limits: list[Any]) -> str:
    """Return the values of a type in words, within `limits` (and those that the type itself
    carries).
    """
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _described(arguments[0], [*limits, *arguments[1:]])
    if origin is typing.Literal:
        return one_of([str(word) for word in arguments])
    if origin is tuple:
        each = _described(arguments[0], [])
        return f"{each}, or a list of them" if each.startswith("one of ") else "a list"
    if origin is dict or _as_model(annotation) is annotation:
        return _MAPPING
    if origin is not None:  # a union: its first type is the usual one
        return _described(arguments[0], limits)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return one_of([str(word.value) for word in annotation])
    for candidate, words in (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
    ):
        if annotation is candidate:
            return words + _bounds(limits)
    return "another value"


def _bounds(limits: Iterable[Any]) -> str:
    bounds: dict[str, float] = {}
    for item in limits:
        nested = item.metadata if isinstance(item, FieldInfo) else [item]
        for limit in nested:
            match limit:
                case Ge(ge=float() | int() as value):
                    bounds["ge"] = value
                case Gt(gt=float() | int() as value):
                    bounds["gt"] = value
                case Le(le=float() | int() as value):
                    bounds["le"] = value
                case Lt(lt=float() | int() as value):
                    bounds["lt"] = value
    words = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}
    return "".join(f" {words[name]} {_plain(bounds[name])}" for name in words if name in bounds)


def _plain(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else repr(limit)
