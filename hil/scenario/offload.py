"""The links to the ground, and what is sent over them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hil.scenario.fields import Float, Fraction, FrozenModel, Int, NonNegative, Positive
from hil.scenario.problems import Findings, wrong_at
from hil.scenario.words import FRAMES_MAX
from hil.word_enum import Word

__all__ = [
    "FlowConfig",
    "IslConfig",
    "OffloadConfig",
    "RadioConfig",
    "ReseedConfig",
    "SendOrder",
    "WorkConfig",
]

BitRate = Annotated[Int, Field(ge=1, le=10**12)]
Priority = Annotated[Int, Field(ge=0, le=9)]
Decibel = Annotated[Float, Field(ge=-300, le=300)]
Every = Annotated[Int, Field(ge=1, le=FRAMES_MAX)]


class SendOrder(Word):
    """The item that goes first, of several of equal priority."""

    OLDEST = "oldest"
    NEWEST = "newest"


class RadioConfig(FrozenModel):
    """One direction of the radio link: its budget, from which the rate follows at each distance."""

    frequency_mhz: Annotated[Float, Field(ge=1, le=1e6)] = Field(description="Carrier.")
    eirp_dbw: Decibel = Field(description="Radiated power of the sender, with its antenna.")
    g_over_t_db_k: Decibel = Field(
        description="Gain of the receiver over its noise temperature; a station's own replaces it."
    )
    losses_db: Annotated[Float, Field(ge=0, le=100)] = Field(
        default=3.0,
        description="Losses besides that of free space, at the lowest elevation: atmosphere, rain, "
        "pointing, polarisation, receiver [A].",
    )
    required_eb_n0_db: Decibel = Field(
        default=4.4, description="Eb/N0 for the wanted bit errors, with the code that is used [A]."
    )
    margin_db: Decibel = Field(default=3.0, description="What must be left over [A].")
    rates_bit_s: tuple[BitRate, ...] = Field(
        default=(),
        description="The rates of the modem, of which the highest that closes is used; without "
        "them the rate follows the budget without steps.",
    )
    max_bit_s: BitRate = Field(default=100_000_000, description="Highest rate, without steps.")


class IslConfig(FrozenModel):
    """A link over another satellite, which is used while no station is in contact."""

    rate_bit_s: BitRate = Field(description="Of each direction.")
    availability: Fraction = Field(
        description="Share of the time slots in which it works; drawn from the seed."
    )
    slot_s: Annotated[Positive, Field(le=86_400)] = Field(
        default=60.0, description="Length of a time slot."
    )


class FlowConfig(FrozenModel):
    """A kind of item that is sent regularly."""

    every: Every = Field(default=1, description="Frames from one to the next.")
    priority: Priority = Field(default=5, description="0 goes first, 9 last.")
    max_age_s: Positive | None = Field(
        default=None, description="Dropped when it has waited longer; default: never."
    )


class WorkConfig(FrozenModel):
    """Frames that the ground computes from their inputs."""

    every: Every | None = Field(
        default=None,
        description="Frames from one to the next; default: only frames without an output.",
    )
    priority: Priority = Field(default=1, description="0 goes first, 9 last.")
    max_age_s: Positive | None = Field(
        default=None, description="Dropped when it has waited longer; default: never."
    )
    ground_s: NonNegative = Field(default=1.0, description="Time that the ground computes [A].")


class ReseedConfig(FrozenModel):
    """A state from the ground for nodes that have lost theirs."""

    after_frames: Annotated[Int, Field(ge=1, le=FRAMES_MAX)] = Field(
        default=3, description="It is asked for after so many consecutive frames without an output."
    )
    priority: Priority = Field(default=0, description="0 goes first, 9 last.")


class OffloadConfig(FrozenModel):
    """The links to the ground, and what is sent over them. Needs `plant.orbit` and
    `plant.stations`, or an inter-satellite link."""

    downlink: RadioConfig | None = Field(default=None, description="From the satellite.")
    uplink: RadioConfig | None = Field(default=None, description="To the satellite.")
    isl: IslConfig | None = Field(default=None, description="Over another satellite.")
    rate_step_s: Annotated[Float, Field(ge=0.1, le=600)] = Field(
        default=10.0,
        description="In a pass the rate is set so often, to that of the farthest point until the "
        "next time.",
    )
    memory_bytes: Annotated[Int, Field(ge=1, le=2**50)] | None = Field(
        default=None,
        description="Memory for what waits for the downlink; when it is full, the item that would "
        "go last is dropped, the oldest of those. Default: enough.",
    )
    order: SendOrder = Field(
        default=SendOrder.OLDEST, description="Of equal priority: oldest or newest first."
    )
    results: FlowConfig | None = Field(default=None, description="Outputs that left the system.")
    telemetry: FlowConfig | None = Field(
        default=None, description="Verdicts with all ballots, packed as in the record."
    )
    checkpoints: FlowConfig | None = Field(
        default=None, description="The agreed state, read from a node that has it."
    )
    work: WorkConfig | None = Field(default=None, description="Frames that the ground computes.")
    reseed: ReseedConfig | None = Field(default=None, description="State from the ground.")

    @model_validator(mode="after")
    def _consistent(self) -> OffloadConfig:
        findings = Findings()
        if self.downlink is None and self.isl is None:
            findings.add("downlink", "there is no link to the ground", "add `downlink:` or `isl:`")
        if self.uplink is not None and self.downlink is None:
            findings.add("uplink", "an uplink needs a downlink beside it", "add `downlink:`")
        for key in ("work", "reseed"):
            if getattr(self, key) is not None and self.uplink is None and self.isl is None:
                findings.add(key, "nothing can come up from the ground", "add `uplink:`")
        wrong_at("Offload", findings)
        return self
