"""Hits that bring a worker of x86-64 into 32-bit mode, where its registers have another form."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from hil import assets
from hil.campaign.analysis import analyse
from hil.campaign.bench import held_board
from hil.campaign.exact import effects_of
from hil.record.campaign_rows import EFFECTS
from hil.scenario import UpsetTarget, load_scenario
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site, Space

pytestmark = [
    pytest.mark.ptrace,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors have no such mode"),
]

QUARTER = assets.scenarios_dir() / "workloads" / "quarter.c"
LAST = 63  # a byte of the state that is 0, whose bits 1 and 5 change the mode
CHANGES = """
  if (io->state[63] & 2u) __asm__ volatile("sysenter");
  if (io->state[63] & 32u) __asm__ volatile("pushq $0x23; pushq $0; lretq");
"""


def changed(old: str, new: str, text: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_a_worker_in_another_mode_has_crashed_and_the_next_experiments_are_right(
    tmp_path: Path,
) -> None:
    text = QUARTER.read_text(encoding="utf-8")
    text = changed("draw(state, seed, 0, 1);", "draw(state, seed, 0, 1); state[63] = 0;", text)
    text = changed("memcpy(io->state, io->input, LEN);", "memcpy(io->state, io->input, 63);", text)
    text = changed("progress) {\n  for", f"progress) {{{CHANGES}  for", text)
    (tmp_path / "quarter.c").write_text(text, encoding="utf-8")
    file = tmp_path / "changed.yaml"
    file.write_text(QUARTER.with_suffix(".yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with held_board(load_scenario(file), 0, 3) as board:
        first = analyse(board, [UpsetTarget.STATE]).plan.regions[0].first
        every = [Site(0, Space.MEMORY, first + LAST, 0xFF) for _ in range(50)]
        numbers, _ = effects_of(board.step.run(every, severity=True))
    effects = [EFFECTS[number] for number in numbers]
    sdc, latent, crash = NodeEffect.SDC, NodeEffect.LATENT, NodeEffect.CRASH
    assert effects == [sdc, crash, latent, latent, sdc, crash, latent, latent] * 50
