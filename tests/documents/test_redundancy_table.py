"""The written rules of the schemes: their page and the transition table name all, and truly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hil.redundancy import recovery
from hil.redundancy.electorate import Scheme
from hil.scenario.rig import RigConfig
from hil.scenario.words import SchemeName, Unvoted

PAGE = Path(__file__).parents[2] / "scenarios/REDUNDANCY.md"
MANY = 10**9


def page_rows() -> dict[str, str]:
    """What the page says of each rule, by its word."""
    text = PAGE.read_text()
    table = text[text.index("| `unvoted_output` | default of |") :].split("\n\n")[0]
    rows = [line.split("|", 2) for line in table.splitlines()[2:]]
    return {row[1].strip().strip("`"): row[2] for row in rows}


def transition_rows() -> dict[str, str]:
    """What the transition table says of each rule, by its word."""
    table = (recovery.__doc__ or "").split("rig.unvoted_output`:\n")[1].split("\n    no majority")
    rows = [line.split(None, 1) for line in table[0].splitlines()]
    return {row[0]: row[1] for row in rows}


def schemes_in(text: str) -> set[SchemeName]:
    """The schemes that are the default of a row: `dmr`, the pairs, or `tmr` to `7mr`."""
    named = re.findall(
        r"\b(simplex|dmr|tmr|\dmr|triple_pairs|priority_pairs|rotating_tmr|plan_pair|doer_checkers)\b",
        text.replace("`", "").split("|")[0],
    )
    if " to " in text.replace("`", "").split("|")[0]:
        least = SchemeName(named[0]).size
        return {s for s in SchemeName if s.size >= least and not (s.pairs or s.awake < s.size)}
    return {SchemeName(name) for name in named}


@pytest.mark.parametrize("rows", [page_rows, transition_rows])
def test_every_rule_has_a_row_with_the_schemes_whose_default_it_is(rows: object) -> None:
    assert callable(rows)
    table = rows()
    assert set(table) == {word.value for word in Unvoted}
    for word in Unvoted:
        default = {s for s in SchemeName if s.size > 1 and RigConfig(scheme=s).unvoted is word}
        assert schemes_in(table[word.value]) == default, word


def test_what_is_delivered_alone_and_for_how_long_is_what_the_tables_say() -> None:
    for scheme in SchemeName:
        for word in Unvoted:
            for limit in (0, 1, 7):
                policy = Scheme(scheme.size, word, limit)
                for asked in range(1, scheme.size + 1):
                    frames = (1, 7, 8, MANY)
                    own = [policy.delivers_unvoted(count, asked) for count in frames]
                    alone = word is Unvoted.DELIVER or (word is Unvoted.LAST_NODE and asked == 1)
                    within = [alone and (not limit or count <= limit) for count in frames]
                    assert own == ([True] * 4 if scheme.size == 1 else within)
