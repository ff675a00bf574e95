"""Programs whose vulnerability is known: a campaign measures exactly that."""

from __future__ import annotations

from typing import Any

import pytest

from hil import assets
from hil.campaign.analysis import analyse
from hil.campaign.bench import held_board
from hil.campaign.exact import effects_of
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.scenario import UpsetTarget, load_scenario
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space
from tests.command_line import Hil

pytestmark = pytest.mark.ptrace

QUARTER = assets.scenarios_dir() / "workloads" / "quarter.yaml"
MATTERS = 0x11  # the bits of each byte of the state that reach the output


def campaign(hil: Hil, *words: str) -> Any:
    done = hil("campaign", QUARTER, "--exact", "--json", *words)
    assert done.code == 0, done.err
    return done.json


@pytest.mark.slow
def test_a_quarter_of_what_is_read_of_the_state_matters_exactly(hil: Hil) -> None:
    state = campaign(hil, "--targets", "state")["targets"]["state"]
    effects = state["effects"]
    wrong = effects["sdc"]
    assert wrong > 0
    assert 4 * wrong == state["measured"]
    assert effects["crash"] == effects["hang"] == effects["detected"] == 0
    with CampaignFile(hil.cwd / "quarter.campaign") as file:
        assert file.meta.workload == "quarter"
        own = load_scenario(QUARTER).c_workload
        assert own is not None
        assert file.meta.source_sha256 == own.sha256
        lines = file.select("SELECT DISTINCT file, line FROM instructions WHERE symbol = 'step'")
        texts = dict(file.select("SELECT file, text FROM sources"))
        classes = [file.one_class(number) for number in range(file.experiments() // 8)]
    expected = bytes(
        EFFECTS.index(NodeEffect.SDC if MATTERS >> bit & 1 else NodeEffect.MASKED)
        for bit in range(8)
    )
    assert sorted(c.byte for c in classes if c is not None) == list(range(64))
    assert {c.effects for c in classes if c is not None} == {expected}
    # The instructions and lines of the user's own file are in the result, for its report.
    text = QUARTER.with_suffix(".c").read_text()
    assert texts["quarter.c"] == text
    wanted = next(n for n, line in enumerate(text.splitlines(), 1) if "MATTERS)" in line)
    assert ("quarter.c", wanted) in lines
    # Just one bit of the output is wrong, each time.
    assert {c.details for c in classes if c is not None} == {
        bytes(MATTERS >> bit & 1 for bit in range(8))
    }


def test_a_quarter_of_the_bits_of_the_state_at_rest_matter_exactly() -> None:
    """Each bit of the state, flipped before the first instruction of the step."""
    with held_board(load_scenario(QUARTER), 0, 3) as board:
        first = analyse(board, [UpsetTarget.STATE]).plan.regions[0].first
        effects = []
        for byte in range(0, 64, 8):
            sites = [Site(0, Space.MEMORY, first + byte + i, 0xFF) for i in range(8)]
            numbers, _ = effects_of(board.step.run(sites, severity=True))
            effects += [EFFECTS[number] for number in numbers]
    assert len(effects) == 512
    assert effects.count(NodeEffect.SDC) * 4 == 512
    assert effects.count(NodeEffect.MASKED) * 4 == 3 * 512


@pytest.mark.slow
def test_registers_and_stack_of_a_c_file_are_enumerated_and_repeat(hil: Hil) -> None:
    words = ("--targets", "state,input,output,stack,gpr,vector")
    first = campaign(hil, *words, "--out", "a", "--workers", "1")
    second = campaign(hil, *words, "--out", "b", "--workers", "2")
    assert first["targets"] == second["targets"]
    assert (hil.cwd / "a").read_bytes() == (hil.cwd / "b").read_bytes()
    assert first["targets"]["gpr"]["effects"]["crash"] > 0
