"""Reads board profiles of schema 1: their one list of channels becomes a data set.

Schema 1 said what to inject, not what was observed: `seu`, `mbu` and `sdc` are taken as silent,
`due` as detected, `crash` and `sefi` as functional interrupts, `sel` as a latch-up."""

from __future__ import annotations

from typing import Final

from hil.board_types.channels import Effect, Mode, Observed, Unit
from hil.board_types.profile import PROFILE_SCHEMA_VERSION
from hil.json_values import JsonObject, JsonValue

__all__ = ["SCHEMA_1", "upgraded"]

SCHEMA_1: Final = "schema-1"
"""The name of the data set that the channels of schema 1 become."""

_OBSERVED: Final = {
    Effect.SEU.value: (Observed.SILENT, None),
    Effect.MBU.value: (Observed.SILENT, None),
    "sdc": (Observed.SILENT, None),
    "due": (Observed.DETECTED, None),
    Effect.SEFI.value: (Observed.SEFI, None),
    "crash": (Observed.SEFI, Mode.REBOOT),
    Effect.SEL.value: (Observed.DESTRUCTIVE, Mode.LATCH_UP),
}
_ALL_SEVERAL: Final[JsonObject] = {
    "value": 1.0,
    "assumption": "schema 1: the effect mbu flips several bits",
}
_NOTHING: Final[JsonObject] = {
    "value": 0.0,
    "assumption": "a profile of schema 1 does not say it; hits outside of the workload do nothing",
}


def upgraded(data: JsonObject) -> JsonObject:
    """Return the content of a profile in the present schema; as it is if it is not of schema 1."""
    radiation = data.get("radiation")
    if data.get("schema") != 1 or not isinstance(radiation, dict) or "data" in radiation:
        return data
    channels = radiation.get("channels")
    if not isinstance(channels, list):
        return data
    several = radiation.get("mbu_fraction")
    data_set: JsonObject = {
        "name": SCHEMA_1,
        "title": "channels of a profile of schema 1",
        "tested": "not stated",
        "channels": [_channel(channel, several) for channel in channels],
        "os_memory": {"crash": _NOTHING, "hang": _NOTHING},
    }
    rest = {key: value for key, value in radiation.items() if key != "channels"}
    return {
        **data,
        "schema": PROFILE_SCHEMA_VERSION,
        "radiation": {"default": SCHEMA_1, "data": [data_set], **rest},
    }


def _channel(old: JsonValue, several: JsonValue) -> JsonValue:
    if not isinstance(old, dict):
        return old
    channel = dict(old)
    effect = channel.pop("effect", None)
    if "target" in channel:
        channel["part"] = channel.pop("target")
    known = _OBSERVED.get(effect) if isinstance(effect, str) else None
    if known is None:  # the present schema's words are named in the message
        channel["observed"] = effect
        return channel
    observed, mode = known
    channel["observed"] = observed.value
    if mode is not None:
        channel["mode"] = mode.value
    if "bits" in channel:
        channel["unit"] = Unit.BIT.value
    if effect == Effect.MBU:
        channel["multiple"] = _ALL_SEVERAL
    elif effect == Effect.SEU and several is not None:
        channel["multiple"] = several
    return channel
