"""`scheme:` as a mapping: a scheme that follows the radiation along the orbit, or the errors that
the nodes count themselves."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from hil.scenario.durations import parse_duration_us
from hil.scenario.fields import Float, FrozenModel
from hil.scenario.problems import Findings, wrong, wrong_at
from hil.scenario.words import SchemeName, SchemeWord
from hil.scenario.yaml.messages import describe

__all__ = ["OrbitSchemeConfig", "as_written", "refuse_former_keys", "scheme_word"]

_EXPECTED: Final = ("Input should be", "expected")
_CHOICES: Final = "simplex, dmr, tmr and 4mr to 7mr"


def _duration(text: str) -> str:
    try:
        parse_duration_us(text)
    except ValueError as error:
        raise wrong(str(error)) from None
    return text


class OrbitSchemeConfig(FrozenModel):
    """The schemes of a rig that follows its orbit. The largest of those whose reason holds is in
    force: at once, and for `dwell` after its reason has ended."""

    model_config = ConfigDict(populate_by_name=True)

    in_anomaly: SchemeWord | None = Field(
        default=None,
        description="While the protons that are not of the Sun reach `anomaly_flux`: the South "
        "Atlantic Anomaly.",
    )
    in_storm: SchemeWord | None = Field(
        default=None,
        description="While the protons of solar particle events reach `storm_flux`.",
    )
    in_errors: SchemeWord | None = Field(
        default=None,
        description="While the nodes' own counters (words that the scrubber corrected, or could "
        "not, and errors that the boards' memories corrected) reach `errors_per_minute`.",
    )
    otherwise: SchemeWord = Field(alias="else", description="At all other times.")
    anomaly_flux: Annotated[Float, Field(gt=0, le=1e12)] = Field(
        default=100.0, description="Threshold of `in_anomaly` [protons/cm2/s]."
    )
    storm_flux: Annotated[Float, Field(gt=0, le=1e12)] = Field(
        default=100.0, description="Threshold of `in_storm` [protons/cm2/s]."
    )
    errors_per_minute: Annotated[Float, Field(gt=0, le=1e9)] = Field(
        default=1.0,
        description="Threshold of `in_errors`, over the last minute of simulated time and all "
        "nodes in service.",
    )
    dwell: Annotated[str, AfterValidator(_duration)] = Field(
        default="60s",
        description="How long a larger scheme stays in force after its reason has ended.",
    )

    @property
    def dwell_us(self) -> int:
        """Return `dwell` in microseconds."""
        return parse_duration_us(self.dwell)

    @property
    def schemes(self) -> tuple[SchemeName, ...]:
        """Return all its schemes, that of all other times last."""
        reasons = (self.in_anomaly, self.in_storm, self.in_errors)
        return (*(scheme for scheme in reasons if scheme is not None), self.otherwise)

    @property
    def largest(self) -> SchemeName:
        """Return the scheme with the most nodes."""
        return max(self.schemes, key=lambda scheme: scheme.size)

    @property
    def text(self) -> str:
        """Return the schemes in words, as `tmr in anomaly, else dmr`."""
        named = {
            "anomaly": self.in_anomaly,
            "storm": self.in_storm,
            "errors": self.in_errors,
        }
        parts = [f"{scheme} in {reason}" for reason, scheme in named.items() if scheme is not None]
        return f"{', '.join(parts)}, else {self.otherwise}"

    @model_validator(mode="after")
    def _consistent(self) -> OrbitSchemeConfig:
        findings = Findings()
        keys = {
            "in_anomaly": self.in_anomaly,
            "in_storm": self.in_storm,
            "in_errors": self.in_errors,
            "else": self.otherwise,
        }
        for key, scheme in keys.items():
            if scheme is None:
                continue
            if not scheme.votes_plainly:
                findings.add(
                    key, f"{scheme} cannot be changed to another scheme", f"choose of {_CHOICES}"
                )
            elif key != "else" and scheme.size <= self.otherwise.size:
                findings.add(
                    key,
                    f"{scheme} has no more nodes than {self.otherwise}, the scheme of all other "
                    "times",
                    f"choose a larger one of {_CHOICES}, or a smaller one for `else`",
                )
        if len(self.schemes) == 1:
            findings.add(
                "else", "there is no other scheme", "add `in_anomaly`, `in_storm` or `in_errors`"
            )
        wrong_at("scheme", findings)
        return self


def scheme_word(raw: Any) -> SchemeName | None:
    """Return the scheme that the raw value of `scheme:` comes to in nodes: itself, or the largest
    of a mapping; None if it is not valid."""
    words = raw.values() if isinstance(raw, dict) else [raw]
    schemes = [scheme for word in words for scheme in SchemeName if scheme == word]
    return max(schemes, key=lambda scheme: scheme.size, default=None)


def as_written(data: Any) -> Any:
    """Return the raw rig with a mapping as its scheme taken apart: its largest scheme, and
    `follows` with all of it. Raises: ValidationError with the problems of the mapping."""
    scheme = data.get("scheme")
    if not isinstance(scheme, dict):
        return data
    try:
        config = OrbitSchemeConfig.model_validate(scheme)
    except ValidationError as error:
        details = [_within_scheme(e) for e in error.errors(include_url=False)]
        raise ValidationError.from_exception_data("Rig", details) from None
    return {**data, "scheme": config.largest, "follows": config}


def _within_scheme(error: ErrorDetails) -> InitErrorDetails:
    """Return a problem of the mapping as one of the rig, at the place where it is written."""
    context = error.get("ctx", {})
    keys = [info.alias or name for name, info in OrbitSchemeConfig.model_fields.items()]
    kind: PydanticCustomError
    if error["type"] == "hil":
        kind = wrong(context["message"], context["remedy"])
    elif error["type"] == "extra_forbidden":
        kind = wrong(f"unknown key; expected one of {', '.join(keys)}", "remove it")
    elif error["type"] == "missing":
        kind = wrong("this key is missing; expected a scheme", f"add `{error['loc'][-1]}:`")
    else:
        kind = wrong(f"{describe(error['input'])}; {error['msg'].replace(*_EXPECTED)}")
    where = ("scheme",) if error["type"] == "missing" else ("scheme", *error["loc"])
    return InitErrorDetails(type=kind, loc=where, input=error["input"])


def refuse_former_keys(data: Any) -> None:
    """Refuse the keys that `scheme:` as a mapping has replaced. Raises: ValidationError."""
    findings = Findings()
    for key in ("calm_scheme", "calm_below_flux"):
        if key in data:
            findings.add(
                (key, "[key]"),
                f"`{key}` is written in `scheme:` now",
                "write for example `scheme: {in_anomaly: tmr, in_storm: tmr, else: dmr, "
                "anomaly_flux: 100.0, storm_flux: 100.0}`",
            )
    wrong_at("Rig", findings)
