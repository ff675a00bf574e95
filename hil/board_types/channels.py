"""The radiation part of a board profile: data sets of channels, each with what was observed in a
beam and the cross-section of it.

A channel says what was seen, not what it would be like to inject: `hil.plant.sections` makes events
of a run from it. Nothing here states a number without its origin (`hil.board_types.cited`)."""

from __future__ import annotations

from pydantic import Field, model_validator

from hil import word_enum
from hil.board_types.cited import Note, Number, Word, check_limits
from hil.board_types.spread import Spread, poisson_interval
from hil.scenario.fields import FrozenModel
from hil.scenario.problems import Findings, did_you_mean, one_of, wrong_at

__all__ = [
    "NO_DATA",
    "Channel",
    "CrossSectionModel",
    "DataSet",
    "Effect",
    "Mode",
    "Observed",
    "OsMemory",
    "Particle",
    "Radiation",
    "Unit",
]

NO_DATA = "none"
"""The name of the data set of a board of which no beam result is known: it has no channel."""


class Observed(word_enum.Word):
    """The kind of event that was observed in the beam."""

    CORRECTED = "corrected"  # by hardware: nothing was wrong, a counter says so
    DETECTED = "detected"  # an error that is reported: RAS, machine check, uncorrectable ECC
    SILENT = "silent"  # wrong data, and nothing says so
    SEFI = "sefi"  # it stops working until it is reset or its power is cut
    DESTRUCTIVE = "destructive"  # over-current or damage


class Mode(word_enum.Word):
    """The form of a functional interrupt or of a destructive event."""

    HANG = "hang"  # it answers no more
    REBOOT = "reboot"  # its system crashes and starts again
    POWER_CYCLE = "power_cycle"  # only a power cut ends it
    LATCH_UP = "latch_up"  # over-current until power is cut
    FAILURE = "failure"  # it is broken


class Particle(word_enum.Word):
    """The particle that hits."""

    PROTON = "proton"
    HEAVY_ION = "heavy_ion"
    NEUTRON = "neutron"  # refused: see `Channel`


class Unit(word_enum.Word):
    """The thing that has the cross-section."""

    DEVICE = "device"
    BIT = "bit"


class CrossSectionModel(word_enum.Word):
    """The dependence of the cross-section on energy (protons) or LET (ions)."""

    POINT = "point"
    PLATEAU = "plateau"
    WEIBULL = "weibull"
    BENDEL = "bendel"


class Effect(word_enum.Word):
    """The kinds of events of a run that radiation causes."""

    SEU = "seu"  # a bit of the workload's data flips
    MBU = "mbu"  # several bits of one word flip
    DETECTED = "detected"  # the program ends with an error
    SEFI = "sefi"  # one of `upsets.orbit.sefis`
    HANG = "hang"  # it stops working until it is reset
    REBOOT = "reboot"  # its operating system crashes and starts again
    POWER_CYCLE = "power_cycle"  # it stops working, and does not start until its power is cut
    STORAGE = "storage"  # the same, because its storage answers no more
    SEL = "sel"  # over-current until power is cut
    CORRECTED = "corrected"  # counted only
    IDLE = "idle"  # a bit flips that nothing uses: counted only


_PARAMETERS = {
    CrossSectionModel.POINT: ("sigma_cm2", "at", "threshold"),
    CrossSectionModel.PLATEAU: ("sigma_cm2", "threshold"),
    CrossSectionModel.WEIBULL: ("sigma_cm2", "threshold", "width", "shape"),
    CrossSectionModel.BENDEL: ("bendel_a", "bendel_b"),
}
_MODES = {
    Observed.SEFI: (Mode.HANG, Mode.REBOOT, Mode.POWER_CYCLE),
    Observed.DESTRUCTIVE: (Mode.LATCH_UP, Mode.FAILURE),
}


class Channel(FrozenModel):
    """One way in which particles disturb the board, as it was observed, with its cross-section.

    point: measured at one energy or LET, `at`; from `threshold` on it is taken to be that.
    plateau: `sigma_cm2` from `threshold` on.
    weibull: sigma (1 - exp(-((x - threshold) / width) ^ shape)).
    bendel: (B/A)^14 (1 - exp(-0.18 sqrt(Y)))^4 1e-12 cm2 a bit, with Y = sqrt(18/A) (x - A).
    x is MeV behind the wall for protons, MeV cm2/mg for ions.
    """

    name: Word = Field(description="Unique name in its data set.")
    observed: Observed = Field(
        description="What was seen: corrected, detected, silent, sefi, destructive."
    )
    mode: Mode | None = Field(
        default=None,
        description="sefi: hang, reboot or power_cycle, drawn from the scenario's weights if "
        "absent; destructive: latch_up or failure.",
    )
    part: str = Field(description="What was hit, as `soc`, `gpu`, `dram`, or a storage device.")
    particle: Particle = Field(description="proton or heavy_ion.")
    unit: Unit = Field(default=Unit.DEVICE, description="Cross-section of a device, or of a bit.")
    model: CrossSectionModel = Field(description="point, plateau, weibull or bendel.")
    sigma_cm2: Number | None = Field(
        default=None,
        description="Saturated cross-section; from `low` to `high`, or the range of `events`.",
    )
    at: Number | None = Field(
        default=None, description="Energy [MeV] or LET [MeV cm2/mg] of the test."
    )
    threshold: Number | None = Field(default=None, description="Energy or LET where it begins.")
    width: Number | None = Field(default=None, description="Width of the Weibull curve.")
    shape: Number | None = Field(default=None, description="Exponent of the Weibull curve.")
    bendel_a: Number | None = Field(default=None, description="A of the Bendel curve [MeV].")
    bendel_b: Number | None = Field(default=None, description="B of the Bendel curve [MeV].")
    depth_um: Number | None = Field(
        default=None,
        description="Ions: depth of the sensitive volume; its sides follow from the cross-section.",
    )
    bits: Number | None = Field(default=None, description="unit bit: the number of bits.")
    multiple: Number | None = Field(
        default=None,
        description="Share of the events that flip several bits of a word; default: "
        "`mbu_fraction` of bits, 0 of a device.",
    )
    on_die_ecc: bool = Field(
        default=False,
        description="The memory that was tested had on-die ECC at work, so it is in the number.",
    )
    events: Number | None = Field(default=None, description="Number of events that were seen.")
    fluence_per_cm2: Number | None = Field(default=None, description="Particles of the test.")
    conditions: str | None = Field(default=None, description="How it was measured.")

    @model_validator(mode="after")
    def _consistent(self) -> Channel:
        findings = Findings()
        self._check_curve(findings)
        self._check_words(findings)
        check_limits(self, 0.0, 1.0, "sigma_cm2", "multiple", findings=findings)
        check_limits(self, 0.0, 1e4, "threshold", findings=findings)
        check_limits(self, 0.0, 1e6, "at", findings=findings)
        check_limits(self, 1e-6, 1e6, "width", "shape", "bendel_a", "bendel_b", findings=findings)
        check_limits(self, 1e-3, 1e3, "depth_um", findings=findings)
        check_limits(self, 1.0, 1e15, "bits", findings=findings)
        check_limits(self, 0.0, 1e9, "events", findings=findings)
        check_limits(self, 1.0, 1e20, "fluence_per_cm2", findings=findings)
        if (self.events is None) != (self.fluence_per_cm2 is None):
            findings.add("events", "events and fluence go together", "state both, or neither")
        if self.events is not None and not self.events.value.is_integer():
            findings.add(("events", "value"), f"{self.events.value:g} is not a whole number")
        if not findings and self.sigma.high <= 0.0:
            findings.add(
                "sigma_cm2",
                "a cross-section of 0 has no upper end",
                "state `high:`, or `events:` and `fluence_per_cm2:`",
            )
        wrong_at("Channel", findings)
        return self

    def _check_curve(self, findings: Findings) -> None:
        needed = _PARAMETERS[self.model]
        keys = ("sigma_cm2", "at", "threshold", "width", "shape", "bendel_a", "bendel_b")
        for key in keys:
            number = getattr(self, key)
            if key in needed and number is None:
                findings.add(key, f"the model {self.model.value} needs `{key}`")
            if key not in needed and number is not None:
                findings.add(key, f"the model {self.model.value} has no `{key}`", "remove it")
        if self.model is CrossSectionModel.BENDEL:
            if self.particle is Particle.HEAVY_ION:
                findings.add("model", "the Bendel curve is one of energy; ions need a LET")
            if self.unit is Unit.DEVICE:
                findings.add("unit", "the Bendel curve is that of one bit", "write `unit: bit`")

    def _check_words(self, findings: Findings) -> None:
        if self.particle is Particle.NEUTRON:
            findings.add(
                "particle",
                "no flux of neutrons is computed, and their cross-section is not that of protons",
                "if you take a neutron's above some tens of MeV for a proton's, write `particle: "
                "proton` and say so as an `assumption:` of `threshold`",
            )
        if self.unit is Unit.BIT and self.bits is None:
            findings.add("bits", "a cross-section of one bit needs their number", "add `bits:`")
        if self.unit is Unit.DEVICE and self.bits is not None:
            findings.add("bits", "`bits` is for `unit: bit`", "write `unit: bit`, or remove it")
        modes = _MODES.get(self.observed, ())
        if self.mode is not None and self.mode not in modes:
            expected = one_of([m.value for m in modes]) if modes else "none"
            findings.add(
                "mode", f"`{self.observed}` has no mode `{self.mode}`; expected {expected}"
            )
        if self.observed is Observed.DESTRUCTIVE and self.mode is None:
            findings.add("mode", "what is destroyed? expected latch_up or failure", "add `mode:`")
        if self.depth_um is not None and self.particle is not Particle.HEAVY_ION:
            findings.add("depth_um", "a sensitive volume is for ions", "remove it")

    @property
    def sigma(self) -> Spread:
        """Return the saturated cross-section [cm2] with its range: the stated one, else that of the
        counted events, else none. That of a Bendel curve follows from the ranges of A and B."""
        if self.sigma_cm2 is None:
            assert self.bendel_a is not None
            assert self.bendel_b is not None
            a, b = self.bendel_a.spread, self.bendel_b.spread
            ends = ((b.low, a.high), (b.best, a.best), (b.high, a.low))
            return Spread(*(1e-12 * (x / y) ** 14 for x, y in ends))
        stated, best = self.sigma_cm2, self.sigma_cm2.value
        low, high = stated.low, stated.high
        if self.events is not None and self.fluence_per_cm2 is not None:
            counted = poisson_interval(round(self.events.value))
            counted = counted.times(1.0 / self.fluence_per_cm2.value)
            low = min(counted.low, best) if low is None else low
            high = max(counted.high, best) if high is None else high
        return Spread(best if low is None else low, best, best if high is None else high)

    @property
    def cited(self) -> Number:
        """Return the number that stands for the cross-section's origin."""
        cited = self.sigma_cm2 or self.bendel_b
        assert cited is not None, "validation leaves one of them"
        return cited


class OsMemory(FrozenModel):
    """The consequence of a flipped bit in memory that is not the workload's: the operating system
    and free memory. The rest of the hits does nothing."""

    crash: Number = Field(description="Share of the hits after which the system starts again.")
    hang: Number = Field(description="Share of the hits after which it answers no more.")

    @model_validator(mode="after")
    def _consistent(self) -> OsMemory:
        findings = Findings()
        check_limits(self, 0.0, 1.0, "crash", "hang", findings=findings)
        if self.crash.spread.high + self.hang.spread.high > 1.0:
            findings.add("hang", "the shares add up to more than 1")
        wrong_at("OsMemory", findings)
        return self


class DataSet(FrozenModel):
    """The channels of one test, or of several that belong together."""

    name: Word = Field(description="Name, by which a scenario chooses it.")
    title: str = Field(description="What test it is.")
    tested: str = Field(description="What was in the beam.")
    stand_in: Note | None = Field(
        default=None, description="It was another part than this board's: why it may stand for it."
    )
    channels: tuple[Channel, ...] = Field(description="What was observed.")
    os_memory: OsMemory | None = Field(
        default=None, description="Hits of memory that is not the workload's; needed for bits."
    )
    notes: tuple[Note, ...] = Field(default=(), description="Other findings of the test.")

    @model_validator(mode="after")
    def _consistent(self) -> DataSet:
        findings = Findings()
        names = [channel.name for channel in self.channels]
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.add(("channels", index, "name"), f"the channel `{name}` is listed twice")
        if self.name == NO_DATA and self.channels:
            findings.add("name", f"`{NO_DATA}` is the name of no data", "choose another name")
        bits = [c for c in self.channels if c.unit is Unit.BIT and c.observed is Observed.SILENT]
        if bits and self.os_memory is None:
            findings.add(
                "os_memory",
                f"`{bits[0].name}` flips bits of the whole memory; what does one outside of the "
                "workload do?",
                "add `os_memory: {crash: …, hang: …}`",
            )
        wrong_at("DataSet", findings)
        return self


_NOTHING = DataSet(name=NO_DATA, title="no beam data", tested="nothing", channels=())


class Radiation(FrozenModel):
    """The effects of radiation on the board: sets of data beside each other."""

    default: Word = Field(description="The data set of scenarios that name none; or `none`.")
    search: Note | None = Field(
        default=None, description="What was searched for data of this board, and when."
    )
    data: tuple[DataSet, ...] = Field(default=(), description="The data sets.")
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
        names = [data.name for data in self.data]
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.add(("data", index, "name"), f"the data set `{name}` is listed twice")
        if self.default not in self.names:
            findings.add(
                "default",
                f"there is no data set `{self.default}`; expected {one_of(self.names)}",
                did_you_mean(self.default, self.names),
            )
        wrong_at("Radiation", findings)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all data sets; `none` is always one."""
        return tuple(dict.fromkeys([*(data.name for data in self.data), NO_DATA]))

    def data_set(self, name: str | None = None) -> DataSet:
        """Return the data set of that name, or the default one.

        Raises:
            KeyError: There is none.
        """
        wanted = self.default if name is None else name
        for data in self.data:
            if data.name == wanted:
                return data
        if wanted == NO_DATA:
            return _NOTHING
        raise KeyError(wanted)
