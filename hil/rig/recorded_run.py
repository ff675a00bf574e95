"""A fault-free run that boards have computed: the results of all frames, and the file that has
them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from hil.errors import RecordError
from hil.kernel import NamedRegion, Workload

__all__ = ["RECORDED_MAX", "GoldenResults", "recorded_run_of", "sha256_of"]

RECORDED_MAX: Final = 512 << 20
"""[byte] The results of all frames are kept in memory."""

_MAGIC: Final = b"HIL GOLDEN 1\n"


@dataclass(frozen=True, slots=True)
class GoldenResults:
    """The states and outputs after all frames, one after the other, and the `initial` state."""

    workload: Workload
    seed: int
    initial: bytes
    states: bytes
    outputs: bytes

    @property
    def frames(self) -> int:
        """Return how many frames were computed."""
        return len(self.outputs) // self.workload.output_len

    def state_after(self, frame: int) -> bytes:
        """Return the state after a frame; after frame -1 the initial one."""
        length = self.workload.state_len
        return self.initial if frame < 0 else self.states[frame * length : (frame + 1) * length]

    def output_of(self, frame: int) -> bytes:
        """Return the output of a frame; zeros before the first."""
        length = self.workload.output_len
        if frame < 0:
            return bytes(length)
        return self.outputs[frame * length : (frame + 1) * length]

    def as_file(self) -> bytes:
        """Return the content of a file with this run."""
        w = self.workload
        head: dict[str, Any] = {
            "workload": w.name,
            "seed": self.seed,
            "frames": self.frames,
            "state_len": w.state_len,
            "input_len": w.input_len,
            "output_len": w.output_len,
        }
        if w.regions:
            head["regions"] = [asdict(region) for region in w.regions]
        line = json.dumps(head, sort_keys=True).encode() + b"\n"
        return b"".join((_MAGIC, line, self.initial, self.states, self.outputs))


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of the content of a file, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def recorded_run_of(content: bytes, place: str) -> GoldenResults:
    """Return the run in the content of a file; `place` names the file in errors.

    Raises: RecordError if it is not such a file, or is damaged."""
    head, _, data = content.removeprefix(_MAGIC).partition(b"\n")
    try:
        if not content.startswith(_MAGIC):
            raise ValueError("its beginning is another")
        h = json.loads(head)
        name, seed = str(h["workload"]), int(h["seed"])
        frames, state, length = int(h["frames"]), int(h["state_len"]), int(h["output_len"])
        if len(data) != state + frames * (state + length) or min(frames, length) < 1:
            raise ValueError(f"it has {len(data)} bytes of results")
        regions = tuple(
            NamedRegion(**{**region, "shape": tuple(region["shape"])})
            for region in h.get("regions", ())
        )
        workload = Workload(name, state, int(h["input_len"]), length, 0, 1, 0, regions)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{place} is not a golden run that was recorded: {error}") from None
    until = state + frames * state
    return GoldenResults(workload, seed, data[:state], data[state:until], data[until:])
