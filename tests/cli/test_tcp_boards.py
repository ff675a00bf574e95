"""Boards on the network: the commands of a bench with an agent's TCP port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Hil
from tests.rig.tcp_agent import TcpAgent, write_token

TINY = "workload: sha256\nframes: 50\nrig: {scheme: simplex}\n"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[TcpAgent]:
    with TcpAgent(tmp_path) as running:
        yield running


def bench_of(hil: Hil, agent: TcpAgent, file: str = "token") -> Path:
    hil.write("s.yaml", TINY)
    board = f"{{name: left, port: '{agent.url}', token_file: {file}}}"
    return hil.write("bench.yaml", f"schema: 1\nboards:\n  - {board}\n")


@pytest.mark.slow
def test_a_run_on_a_tcp_port_has_the_digest_of_any_board(hil: Hil, agent: TcpAgent) -> None:
    bench = bench_of(hil, agent)
    far = hil("run", "s.yaml", "--bench", bench, "--json")
    near = hil("run", "s.yaml", "--boards", "inproc", "--json")
    assert far.code == near.code == 0
    assert far.json["run_digest"] == near.json["run_digest"]
    assert hil("bench", "test", bench).code == 0
    found = hil("discover", agent.url, "-o", bench, "--json")
    assert found.code == 0 and found.json["boards"][0]["name"] == "left"


def test_a_run_with_another_token_is_refused(hil: Hil, agent: TcpAgent, tmp_path: Path) -> None:
    write_token(tmp_path / "other", "another token of enough bytes")
    done = hil("run", "s.yaml", "--bench", bench_of(hil, agent, "other"))
    assert done.code == 3
    assert f"the agent refuses the token in {tmp_path / 'other'}" in done.err


def test_a_tcp_port_without_a_token_is_named_with_what_to_write(hil: Hil, agent: TcpAgent) -> None:
    hil.write("bench.yaml", f"schema: 1\nboards:\n  - {{name: left, port: '{agent.url}'}}\n")
    done = hil("check", "bench.yaml")
    assert done.code == 2 and "bench.yaml:3:" in done.err and "add `token_file:`" in done.err
    assert hil("discover", agent.url).code == 3
