"""The places that the samples of boards struck: the instructions, and the parts of targets that
have names.

Names and disassembly are there where the extra `campaign` is installed; addresses always are."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil.campaign.bench import HeldBoard
from hil.campaign.disassembler import disassembler
from hil.campaign.fault_space import FaultSpace
from hil.campaign.regions import TargetRegion, abi_of
from hil.campaign.sampling import FaultTable
from hil.campaign.step_rows import register_parts
from hil.campaign.symbols import CodePlace, symbols_of
from hil.campaign.trace import Addresses
from hil.errors import SetupError
from hil.record.campaign_rows import InstructionRow, PartRow
from hil.scenario import UpsetTarget

__all__ = ["PlacesQuestion", "SamplePlaces", "addresses_of", "executions_of"]

_INSTRUCTION_MAX: Final = 15  # [byte]
_GAP_MAX: Final = 64  # [byte] that are read along, so that there are few requests


def addresses_of(space: FaultSpace, faults: FaultTable) -> Addresses:
    """Return the address of the instruction that each fault strikes before; 0 where there are
    none."""
    addresses = np.zeros(len(faults), np.uint64)
    for frame in space.frames:
        if len(frame.path):
            here = faults.frame == frame.frame
            addresses[here] = frame.counters[faults.moment[here]]
    return addresses


def executions_of(space: FaultSpace) -> Mapping[int, int]:
    """Return how often each instruction is executed in all frames, by its address."""
    counts: dict[int, int] = {}
    for frame in space.frames:
        some, often = np.unique(frame.counters, return_counts=True)
        for address, count in zip(some.tolist(), often.tolist(), strict=True):
            counts[address] = counts.get(address, 0) + count
    return counts


@dataclass(frozen=True, slots=True)
class SamplePlaces:
    """The rows of a result file that say what is at the places of samples."""

    instructions: Sequence[InstructionRow] = ()
    parts: Sequence[PartRow] = ()


@dataclass(frozen=True, slots=True)
class PlacesQuestion:
    """The question to a board what is at the instructions `executions`, by address, and at the
    bytes `text` of the machine code, which samples have hit. It can be pickled."""

    executions: Mapping[int, int]
    text: tuple[int, ...]
    regions: tuple[TargetRegion, ...]

    def __call__(self, board: HeldBoard) -> SamplePlaces:
        """Return what a board has there. Raises: LinkTimeout, NodeError."""
        content = _content(board, sorted(self.executions))
        first = board.step.opened.text
        hit = _content(board, [first + byte for byte in self.text])
        places = _places(board, {**hit, **content})
        texts = _texts(board.arch, content)
        rows = [
            InstructionRow(address, count, texts.get(address, ""), place.symbol, place.file,
                           place.line)
            for address, count in sorted(self.executions.items())
            for place in (places.get(address, CodePlace()),)
        ]  # fmt: skip
        symbols = {at - first: places[at].symbol for at in hit if at in places}
        return SamplePlaces(rows, list(self._parts(board.arch, symbols)))

    def _parts(self, arch: str, symbols: Mapping[int, str]) -> Iterator[PartRow]:
        for number, region in enumerate(self.regions):
            if region.target is UpsetTarget.TEXT:
                yield from _functions(number, symbols)
            else:
                yield from register_parts(number, region, abi_of(arch))


def _functions(number: int, symbols: Mapping[int, str]) -> list[PartRow]:
    """Return the functions of the bytes of machine code that were hit: each from the first to the
    last of them."""
    bytes_of: dict[str, list[int]] = {}
    for byte, symbol in symbols.items():
        if symbol:
            bytes_of.setdefault(symbol, []).append(byte)
    rows = [
        PartRow(number, min(some), max(some) + 1 - min(some), symbol)
        for symbol, some in bytes_of.items()
    ]
    return sorted(rows, key=lambda row: row.first)


def _content(board: HeldBoard, addresses: Sequence[int]) -> dict[int, bytes]:
    """Return the memory at each address, for as long as an instruction may be."""
    content: dict[int, bytes] = {}
    at = 0
    while at < len(addresses):
        end = at + 1
        while end < len(addresses) and addresses[end] - addresses[end - 1] <= _GAP_MAX:
            end += 1
        first = addresses[at]
        span = board.step.code(first, addresses[end - 1] - first + _INSTRUCTION_MAX)
        for address in addresses[at:end]:
            content[address] = span[address - first :][:_INSTRUCTION_MAX]
        at = end
    return content


def _places(board: HeldBoard, content: Mapping[int, bytes]) -> Mapping[int, CodePlace]:
    if importlib.util.find_spec("elftools") is None:
        return {}
    own = board.rig.setup.program.own
    texts = {} if own is None else dict(own.source.files)
    return symbols_of(board.node.capabilities.read_executable(), content, texts).places


def _texts(arch: str, content: Mapping[int, bytes]) -> dict[int, str]:
    """Return the disassembly of instructions."""
    try:
        engine = disassembler(arch)
    except SetupError:  # it is an extra, and does not know all processors
        return {}
    texts: dict[int, str] = {}
    for address, code in content.items():
        for _, _, mnemonic, operands in engine.disasm_lite(code, address, 1):
            texts[address] = f"{mnemonic} {operands}".strip()
    return texts
