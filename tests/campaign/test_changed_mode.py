"""Hits that bring a worker of x86-64 into 32-bit mode, where its registers have another form."""

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
    pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have no such mode"),
]

CHANGES = """
  if (io->state[63] & 2u) __asm__ volatile("sysenter");
  if (io->state[63] & 32u) __asm__ volatile("pushq $0x23; pushq $0; lretq");
"""


def test_a_worker_in_another_mode_has_crashed_and_the_next_experiments_are_right(
    tmp_path: Path,
) -> None:
    with held_board(load_scenario(changed_quarter(tmp_path, CHANGES)), 0, 3) as board:
        first = analyse(board, [UpsetTarget.STATE]).plan.regions[0].first
        every = [Site(0, Space.MEMORY, first + ZERO_BYTE, 0xFF) for _ in range(50)]
        numbers, _ = effects_of(board.step.run(every, severity=True))
    effects = [EFFECTS[number] for number in numbers]
    sdc, latent, crash = NodeEffect.SDC, NodeEffect.LATENT, NodeEffect.CRASH
    assert effects == [sdc, crash, latent, latent, sdc, crash, latent, latent] * 50
