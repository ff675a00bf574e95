"""Power by a labgrid place: whatever switches power there, its exporter and labgrid do it."""

from __future__ import annotations

from typing import Final

from hil.errors import SetupError
from hil.rig.labgrid_place import LabgridPlace
from hil.rig.power.protocol import Power
from hil.scenario.supply import SupplyConfig

__all__ = ["LabgridPower"]

_STATES: Final = {"on": True, "off": False}
_REMEDY: Final = "try `labgrid-client -p PLACE power get`"


class LabgridPower(Power):
    """The power switch of a place, which must be acquired when it is used."""

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        assert supply.place is not None
        self._place = LabgridPlace(supply.place)

    @property
    def title(self) -> str:
        return f"labgrid place {self._place.name}"

    def check(self) -> None:
        if not self._place.state().has_power:
            raise self.failed(
                "it has nothing that switches power",
                "add a NetworkPowerPort or the like to the place, or remove `power:`",
            )

    def on(self) -> None:
        self._order("on")

    def off(self) -> None:
        self._order("off")

    def gives_power(self) -> bool | None:
        text = self._order("get").strip()
        state = _STATES.get(text.rpartition(" ")[2])
        if state is None:
            raise self.failed(f"`power get` printed {text[:80]!r}", _REMEDY)
        return state

    def _order(self, action: str) -> str:
        with self.lock:
            try:
                return self._place.call("power", action, timeout_s=self.supply.timeout_s)
            except SetupError as error:
                raise SetupError(
                    f"node {self.node}: {error.message}", remedy=error.remedy
                ) from None
