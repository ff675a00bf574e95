"""Shows what differs in the conditions of several runs: what matters first, then the keys of their
scenarios, with lists of parts such as events as one row each; and all single keys to open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from hil.json_values import JsonValue
from hil.report.markup import element, exact_text, key_text, text
from hil.report.run_page.facts import RunFacts
from hil.report.run_page.tables import acceleration_words, boards_words
from hil.views.style import duration

__all__ = ["condition_table", "differing_keys", "differing_lists"]

Rows: TypeAlias = dict[str, list[str]]

_VALUE_SHOWN: Final = 160
_KEYS_SHOWN: Final = 40
_KEYS_LISTED: Final = 2000
_NULL: Final = "null"
_PART: Final = re.compile(r"(.*?)\[\d+\]\.")
_FIRST_KEYS: Final = re.compile(
    r"(name|workload|seed|frames|duration|frame_ms|plant|upsets\.accel|rig\.scheme|rig\.board)$"
    r"|plant\.orbit(\.|$)"
)
"""The keys that the first rows say in words."""


def condition_table(facts: Sequence[RunFacts]) -> str:
    """Return what differs in the conditions of runs, as HTML."""
    scenarios: list[JsonValue] = [each.scenario for each in facts]
    single = differing_keys(scenarios)
    lists = differing_lists(scenarios, single)
    rest: Rows = {}
    for key, values in single.items():
        if part := _PART.match(key):
            counts, differing = lists[part[1]]
            rest[key_text(part[1]) + f" {exact_text(differing)} differ"] = counts
        elif not _FIRST_KEYS.match(key):
            rest[key_text(key)] = values
    first = {name: values for name, values in _first(facts, scenarios).items() if _differ(values)}
    if not first and not single:
        return "<p>Nothing: scenario, seed, version and computer are the same.</p>"
    lines = [_row(text(name), values) for name, values in first.items()]
    lines += [_row(name, values) for name, values in list(rest.items())[:_KEYS_SHOWN]]
    return _table(facts, lines) + _all_keys(facts, single)


def _all_keys(facts: Sequence[RunFacts], single: Rows) -> str:
    """Return all single keys that differ, in a part that opens."""
    if not single:
        return ""
    listed = list(single.items())[:_KEYS_LISTED]
    rest = len(single) - len(listed)
    more = f'<p class="note">{rest:,} more keys differ.</p>' if rest else ""
    body = _table(facts, [_row(key_text(key), values) for key, values in listed])
    noun = "key of the scenario differs" if len(single) == 1 else "keys of the scenarios differ"
    name = f"{len(single):,} {noun}, one by one"
    return f"<details><summary>{name}</summary>{body}{more}</details>"


def _table(facts: Sequence[RunFacts], lines: Iterable[str]) -> str:
    names = "".join(f'<th scope="col">{text(each.name)}</th>' for each in facts)
    head = f"<thead><tr><th></th>{names}</tr></thead>"
    body = f'<table class="plain conditions">{head}<tbody>{"".join(lines)}</tbody></table>'
    return element("div", body, class_="wide")


def _row(name: str, values: Sequence[str]) -> str:
    cells = "".join(f"<td>{text(_shown(value))}</td>" for value in values)
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _shown(value: str) -> str:
    """Return a value as people write it: a text without its quotes, and no longer than fits."""
    if value.startswith('"') and len(value) > 2:
        value = json.loads(value)
    return value if len(value) <= _VALUE_SHOWN else f"{value[: _VALUE_SHOWN - 1]}…"


def _differ(values: Sequence[str]) -> bool:
    return len(set(values)) > 1


# --- what matters first ---------------------------------------------------------------------------


def _first(facts: Sequence[RunFacts], scenarios: Sequence[JsonValue]) -> Rows:
    metas = [each.meta for each in facts]
    return {
        "scenario": [meta.scenario.name or "unnamed" for meta in metas],
        "workload": [meta.scenario.workload for meta in metas],
        "redundancy": [meta.scenario.scheme for meta in metas],
        "boards": [boards_words(each) for each in facts],
        "seed": ["" if f.result.seed is None else str(f.result.seed) for f in facts],
        "frames": [
            f"{exact_text(f.result.planned_frames or f.result.flown)} of "
            f"{duration(f.meta.scenario.frame_us)}"
            for f in facts
        ],
        "orbit": [_orbit(scenario) for scenario in scenarios],
        "upset rates": [acceleration_words(each) for each in facts],
        "hil": [meta.hil_version for meta in metas],
        "system": [meta.system for meta in metas],
    }


def _orbit(scenario: JsonValue) -> str:
    """Return the orbit in the words of the scenario."""
    plant = scenario.get("plant") if isinstance(scenario, Mapping) else None
    orbit = plant.get("orbit") if isinstance(plant, Mapping) else None
    if not isinstance(orbit, Mapping):
        return "none"
    given = (f"{key} {value}" for key, value in orbit.items() if value is not None and value != 0)
    return ", ".join(given)


# --- keys -----------------------------------------------------------------------------------------


def differing_keys(scenarios: Sequence[JsonValue]) -> Rows:
    """Return the keys of scenarios, as paths in their order, whose values are not the same in all,
    with the value of each as JSON; empty where a scenario has none. A part that a scenario lacks as
    a whole is one key."""
    flat = [dict(_flat("", scenario)) for scenario in scenarios]
    absent = {key for one in flat for key, value in one.items() if value == _NULL}
    whole = {key for key in absent if any(_has_part(one, key) for one in flat)}
    for one in flat:
        for key in whole:
            if _has_part(one, key):
                one[key] = "given"
        for key in [k for k in one if any(k.startswith((f"{w}.", f"{w}[")) for w in whole)]:
            del one[key]
    keys = dict.fromkeys(key for one in flat for key in one)
    out = {key: ["" if (v := one.get(key, "")) == _NULL else v for one in flat] for key in keys}
    return {key: values for key, values in out.items() if _differ(values)}


def differing_lists(
    scenarios: Sequence[JsonValue], single: Iterable[str]
) -> dict[str, tuple[list[str], int]]:
    """Return the lists of parts, such as events, in which the `single` keys that differ lie: how
    many parts each scenario has, and how many of them are not the same in all."""
    names = dict.fromkeys(part[1] for key in single if (part := _PART.match(key)))
    out: dict[str, tuple[list[str], int]] = {}
    for name in names:
        lists = [_at(scenario, name) for scenario in scenarios]
        longest = max(map(len, lists))
        whole = [[*each, *[None] * (longest - len(each))] for each in lists]
        count = sum(any(part != parts[0] for part in parts) for parts in zip(*whole, strict=True))
        out[name] = [exact_text(len(each)) for each in lists], count
    return out


def _at(scenario: JsonValue, path: str) -> Sequence[JsonValue]:
    """Return the list at a path of keys; empty where there is none."""
    for key in path.split("."):
        scenario = scenario.get(key) if isinstance(scenario, Mapping) else None
    return scenario if isinstance(scenario, list) else ()


def _has_part(flat: Mapping[str, str], key: str) -> bool:
    return any(name.startswith((f"{key}.", f"{key}[")) for name in flat)


def _flat(path: str, value: JsonValue) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        items = [(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(f"{path}[{number}]", inner) for number, inner in enumerate(value)]
    else:
        return [(path, json.dumps(value))]
    return [pair for name, inner in items for pair in _flat(name, inner)]
