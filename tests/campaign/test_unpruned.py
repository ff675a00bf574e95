"""Pruned equals unpruned: every bit of every target, flipped before every instruction of a small
program, does what the one experiment of its class does, or what is deduced without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.def_use import Area, classes_of
from hil.campaign.exact import effects_of
from hil.campaign.regions import EXACT_TARGETS, abi_of
from hil.record.campaign_rows import EFFECTS
from hil.rig.emulated import machine
from hil.scenario import Scenario, UpsetTarget, load_scenario
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Site

from ..emulated import possible

__all__ = ["possible"]

PROGRAM = """#include <string.h>

#include "bytes.h"
#include "workload.h"

WORKLOAD_TEXT_BOUNDS(tiny);

static void init(uint8_t *state, uint64_t seed) { store_u64le(state, seed); }

static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  store_u64le(in, seed ^ frame * 77u);
}

/* A call with a table on its stack, whose index comes from the data: wild ones crash. */
WORKLOAD_TEXT(tiny) __attribute__((noinline)) static uint64_t chosen(const uint8_t *from,
                                                                     uint64_t which) {
  volatile uint8_t table[8];
  for (int i = 0; i < 2; i++) table[i] = from[i];
  return table[which & 1u];
}

WORKLOAD_TEXT(tiny) static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  double mean = 0.0;
  uint64_t x = load_u64le(io->state) + (load_u64le(io->input) & 0xFFFFu);
  io->scratch[0] = (uint8_t)x;
  x = x * 5u + chosen(io->state, io->scratch[0]);
  mean = (mean + (double)(uint32_t)x) * 0.5;
  store_u64le(io->state, x);
  store_u64le(io->output, (uint64_t)mean);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

extern const hil_workload_t workload_tiny;
const hil_workload_t workload_tiny = {
    .name = "tiny", .state_len = 8, .input_len = 8, .output_len = 8, .scratch_len = 4, .ticks = 1,
    .init = init, .input = input, .step = step,
    .text_begin = WORKLOAD_TEXT_BEGIN(tiny), .text_end = WORKLOAD_TEXT_END(tiny),
};
"""
FRAME = 3
ALL_BITS = 0xFF
SITES = 64  # of a request
MASKED = EFFECTS.index(NodeEffect.MASKED)
LATENT = EFFECTS.index(NodeEffect.LATENT)


def tiny(folder: Path, board: str) -> Scenario:
    (folder / "tiny.c").write_text(PROGRAM)
    (folder / "s.yaml").write_text(
        f"workload: tiny.c\nframes: 10\nrig: {{scheme: simplex, board: {board}}}\n"
    )
    return load_scenario(folder / "s.yaml")


def on_a_machine_with_sve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let emulated boards be QEMU's `virt` with all that its processors have. Its kernel signs
    pointers: QEMU does that 14 times as fast by a rule of its own."""
    usual = machine._command

    def command(*words: object) -> list[str]:
        of_pi = usual(*words)  # type: ignore[arg-type]
        for option in ("-global", "-dtb"):
            at = of_pi.index(option)
            del of_pi[at : at + 2]
        at = of_pi.index("-machine")
        of_pi[at + 1] = of_pi[at + 1].replace(machine._MODEL, "virt")
        return [*of_pi, "-cpu", "max,pauth-impdef=on", "-m", "1G"]

    monkeypatch.setattr(machine, "_command", command)


@pytest.fixture(
    params=[
        pytest.param("process", marks=[pytest.mark.ptrace, pytest.mark.slow]),
        pytest.param("raspi3b", marks=[pytest.mark.stress, pytest.mark.emulated]),
        pytest.param("virt", marks=[pytest.mark.stress, pytest.mark.emulated]),
    ]
)
def board(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HeldBoard]:
    """A board that holds the step: of this computer, a Raspberry Pi 3, or one with SVE."""
    emulated = request.param != "process"
    if emulated:
        request.getfixturevalue("possible")
    if request.param == "virt":
        on_a_machine_with_sve(monkeypatch)
    with held_board(tiny(tmp_path, "emulated" if emulated else "process"), 0, FRAME) as held:
        yield held


def all_effects(board: HeldBoard, sites: list[Site]) -> np.ndarray:
    """The effects of all eight bits of each site: shape (sites, 8)."""
    effects = bytearray()
    for first in range(0, len(sites), SITES):
        effects += effects_of(board.step.run(sites[first : first + SITES], severity=True))[0]
    return np.frombuffer(bytes(effects), dtype=np.uint8).reshape(-1, 8)


def differences(board: HeldBoard, step: AnalysedStep, area: Area) -> tuple[int, list[str]]:
    """How many faults of a target were carried out, and those that came to something else."""
    region, length = area.region, step.plan.length
    pointer = step.trace.registers[:, abi_of(board.arch).sp] - np.uint64(board.step.opened.arena)
    lowest = pointer.astype(np.int64) - region.first if region.stack else np.zeros(length, np.int64)
    places = [(p, b) for p in range(length) for b in range(max(0, lowest[p]), region.length)]
    sites = [Site(p, region.space, region.first + b, ALL_BITS) for p, b in places]
    happened = dict(zip(places, all_effects(board, sites), strict=True))
    wrong: list[str] = []
    ends: dict[int, list[tuple[int, bool]]] = {}
    for position, byte, read in zip(area.position, area.byte, area.read, strict=True):
        ends.setdefault(int(byte), []).append((int(position), bool(read)))
    for (position, byte), effects in happened.items():
        end, read = next((e for e in ends.get(byte, ()) if e[0] >= position), (-1, False))
        if end < 0:
            alive = region.stack and byte >= lowest[0]
            expected = [LATENT if alive else EFFECTS.index(region.unread[byte])] * 8
        else:
            expected = happened[end, byte].tolist() if read else [MASKED] * 8
        if effects.tolist() != expected:
            wrong.append(
                f"{region.target} {byte} at {position}: {effects.tolist()}, not {expected}"
            )
    return 8 * len(happened), wrong


@pytest.mark.timeout(3600)
def test_every_fault_does_what_its_class_does(board: HeldBoard) -> None:
    step = analyse(board, EXACT_TARGETS)
    sp = abi_of(board.arch).sp
    areas = classes_of(step.trace, step.code, step.plan.regions, board.step.opened.arena, sp)
    seen: set[UpsetTarget] = set()
    for area in areas:
        count, wrong = differences(board, step, area)
        assert count == area.space_bits
        assert wrong == []
        seen.add(area.region.target)
    assert seen == set(EXACT_TARGETS)
