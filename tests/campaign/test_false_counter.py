"""A loop in which a register counts for some hundred passes, and then no longer."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from hil.campaign.analysis import analyse
from hil.campaign.bench import held_board
from hil.campaign.exact import effects_of
from hil.record.campaign_rows import EFFECTS
from hil.scenario import UpsetTarget, load_scenario
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space
from tests.campaign.changed_quarter import ZERO_BYTE, changed_quarter

pytestmark = [
    pytest.mark.ptrace,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the loop is in its assembly"),
]

LOOP = """
  if (io->state[63] & 2u)
    __asm__ volatile("xorl %%ecx, %%ecx; 1: cmpl $900, %%ecx; adcl $0, %%ecx;"
                     "cmpl $-1, %%ecx; jne 1b" ::: "ecx");
"""


def test_a_register_that_counts_no_longer_is_no_measure_of_a_hang(tmp_path: Path) -> None:
    with held_board(load_scenario(changed_quarter(tmp_path, LOOP)), 0, 3) as board:
        first = analyse(board, [UpsetTarget.STATE]).plan.regions[0].first
        site = Site(0, Space.MEMORY, first + ZERO_BYTE, 0xFF)
        numbers, _ = effects_of(board.step.run([site], severity=True))
    sdc, latent = NodeEffect.SDC, NodeEffect.LATENT
    assert [EFFECTS[number] for number in numbers] == [
        *(sdc, NodeEffect.HANG, latent, latent, sdc, latent, latent, latent)
    ]
