"""The radiation part of a board profile: channels, each with the cross-section of one effect.

`hil.plant.sections` evaluates them.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from hil import word_enum
from hil.board_types.cited import Note, Number, Word, check_limits
from hil.scenario.fields import FrozenModel
from hil.scenario.problems import Findings, wrong_at

__all__ = ["Channel", "CrossSectionModel", "Effect", "Particle", "Radiation"]


class Effect(word_enum.Word):
    """The effect of a channel on the board."""

    SEU = "seu"  # a bit flips
    MBU = "mbu"  # several bits of one word flip
    SDC = "sdc"  # the result is wrong, and nothing says so
    DUE = "due"  # an error is detected, but not corrected
    SEFI = "sefi"  # it stops working until it is reset
    CRASH = "crash"  # its operating system crashes
    SEL = "sel"  # over-current until power is cut


class Particle(word_enum.Word):
    """The particle that hits."""

    PROTON = "proton"
    HEAVY_ION = "heavy_ion"
    NEUTRON = "neutron"


class CrossSectionModel(word_enum.Word):
    """The dependence of the cross-section on energy (protons) or LET (ions)."""

    PLATEAU = "plateau"
    WEIBULL = "weibull"
    BENDEL = "bendel"


_PARAMETERS = {
    CrossSectionModel.PLATEAU: ("sigma_cm2", "threshold"),
    CrossSectionModel.WEIBULL: ("sigma_cm2", "threshold", "width", "shape"),
    CrossSectionModel.BENDEL: ("bendel_a", "bendel_b"),
}


class Channel(FrozenModel):
    """One way in which particles disturb the board, with its cross-section.

    plateau: `sigma_cm2` from `threshold` on.
    weibull: sigma (1 - exp(-((x - threshold) / width) ^ shape)).
    bendel: (B/A)^14 (1 - exp(-0.18 sqrt(Y)))^4 1e-12 cm2 a bit, with Y = sqrt(18/A) (x - A).
    x is MeV for protons and neutrons, MeV cm2/mg for ions.
    """

    name: Word = Field(description="Unique name.")
    effect: Effect = Field(description="What it does: seu, mbu, sdc, due, sefi, crash, sel.")
    target: str = Field(description="What is hit, as `soc`, `gpu`, `dram`.")
    particle: Particle = Field(description="proton, heavy_ion or neutron.")
    model: CrossSectionModel = Field(description="plateau, weibull or bendel.")
    sigma_cm2: Number | None = Field(
        default=None, description="Saturated cross-section of a device, or of a bit if `bits`."
    )
    threshold: Number | None = Field(default=None, description="Energy or LET where it begins.")
    width: Number | None = Field(default=None, description="Width of the Weibull curve.")
    shape: Number | None = Field(default=None, description="Exponent of the Weibull curve.")
    bendel_a: Number | None = Field(default=None, description="A of the Bendel curve [MeV].")
    bendel_b: Number | None = Field(default=None, description="B of the Bendel curve [MeV].")
    bits: Number | None = Field(
        default=None, description="Number of bits, if the cross-section is that of one bit."
    )
    conditions: str | None = Field(default=None, description="How it was measured.")

    @model_validator(mode="after")
    def _consistent(self) -> Channel:
        findings = Findings()
        needed = _PARAMETERS[self.model]
        for key in ("sigma_cm2", "threshold", "width", "shape", "bendel_a", "bendel_b"):
            number = getattr(self, key)
            if key in needed and number is None:
                findings.add(key, f"the model {self.model.value} needs `{key}`")
            if key not in needed and number is not None:
                findings.add(key, f"the model {self.model.value} has no `{key}`", "remove it")
        check_limits(self, 0.0, 1.0, "sigma_cm2", findings=findings)
        check_limits(self, 0.0, 1e4, "threshold", findings=findings)
        check_limits(self, 1e-6, 1e6, "width", "shape", "bendel_a", "bendel_b", findings=findings)
        check_limits(self, 1.0, 1e15, "bits", findings=findings)
        if self.model is CrossSectionModel.BENDEL:
            if self.particle is Particle.HEAVY_ION:
                findings.add("model", "the Bendel curve is one of energy; ions need a LET")
            if self.bits is None:
                findings.add("bits", "the Bendel curve is that of one bit", "add `bits:`")
        wrong_at("Channel", findings)
        return self


class Radiation(FrozenModel):
    """The effects of radiation on the board."""

    channels: tuple[Channel, ...] = Field(description="The ways in which it is disturbed.")
    mbu_fraction: Number = Field(description="Share of memory upsets that hit several bits.")
    tid_limit_krad: Number | None = Field(
        default=None, description="Total dose limit; none: not known."
    )
    sel_recovery: Note | None = Field(default=None, description="How a latch-up is ended.")
    notes: tuple[Note, ...] = Field(default=(), description="Other known facts.")

    @model_validator(mode="after")
    def _consistent(self) -> Radiation:
        findings = Findings()
        check_limits(self, 0.0, 1.0, "mbu_fraction", findings=findings)
        check_limits(self, 0.0, 1e6, "tid_limit_krad", findings=findings)
        names = [channel.name for channel in self.channels]
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.add(("channels", index, "name"), f"the channel `{name}` is listed twice")
        wrong_at("Radiation", findings)
        return self
