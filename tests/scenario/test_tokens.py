"""Tokens of agents in bench files: where one is needed, where it is not, and the file itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.doctor.files import check
from hil.errors import ConfigError
from hil.scenario import Overrides, bench_schema, load, load_bench, parse_bench

TOKEN = "a token of enough bytes"  # noqa: S105 (of this test)


def problem(text: str) -> tuple[int, str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_bench(text, file="b.yaml")
    (found,) = caught.value.problems
    return found.line, found.path, str(found)


@pytest.mark.parametrize(
    ("board", "path", "what"),
    [
        (
            "port: tcp://pi:4000",
            "$.boards[0].port",
            "agent asks for a token; add `token_file:`",
        ),
        ("port: /dev/ttyS9, token_file: t", "$.boards[0].token_file", "no tcp:// port; remove"),
        ("adapter: usb-serial:A1, token_file: t", "$.boards[0].token_file", "no tcp:// port"),
        ("port: /dev/ttyS9, console: tcp://pi:4000", "$.boards[0].console", "sends frames only"),
    ],
)
def test_a_token_is_where_an_agent_asks_for_it_and_nowhere_else(
    board: str, path: str, what: str
) -> None:
    line, place, text = problem(f"schema: 1\nboards:\n  - {{name: a, {board}}}\n")
    assert (line, place) == (3, path)
    assert what in text


@pytest.mark.parametrize(
    ("token", "mode", "what"),
    [
        (None, 0, "cannot be read: No such file or directory; copy it from the board, or make one"),
        ("short", 0o600, "holds 5 bytes; expected a token of 16 to 256"),
        (TOKEN, 0o644, "may be read or written by everybody; `chmod 600"),
    ],
)
def test_a_file_that_holds_no_token_is_found_before_a_run(
    tmp_path: Path, token: str | None, mode: int, what: str
) -> None:
    bench = tmp_path / "bench.yaml"
    bench.write_text(
        "schema: 1\nboards:\n  - name: a\n    port: tcp://pi:4000\n    token_file: secret\n"
    )
    if token is not None:
        (tmp_path / "secret").write_text(token)
        (tmp_path / "secret").chmod(mode)
    (found,) = check(str(bench)).problems
    assert (found.line, found.path) == (5, "$.boards[0].token_file")
    assert f"the token file {tmp_path / 'secret'} " in str(found) and what in str(found)


def test_a_token_is_beside_its_bench_file_and_goes_with_the_board(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(TOKEN)
    (tmp_path / "secret").chmod(0o600)
    bench = tmp_path / "bench.yaml"
    bench.write_text("schema: 1\nboards: [{name: a, port: 'tcp://pi:4000', token_file: secret}]\n")
    assert check(str(bench)).ok
    assert load_bench(bench).boards[0].token_file == str(tmp_path / "secret")
    loaded = load("nominal", Overrides(scheme="simplex", bench=bench))
    (node,) = loaded.scenario.rig.nodes
    assert (node.port, node.token_file) == ("tcp://pi:4000", str(tmp_path / "secret"))
    software = load("nominal", Overrides(scheme="simplex", board="process")).scenario
    assert software.rig.nodes[0].token_file is None


def test_the_schema_for_editors_has_the_keys_of_remote_boards() -> None:
    schema = json.dumps(bench_schema())
    assert '"token_file"' in schema and '"labgrid"' in schema and '"place"' in schema
