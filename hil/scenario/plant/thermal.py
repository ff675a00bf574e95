"""The thermal network of a spacecraft in a scenario: parts, links, faces, blankets."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Final

from pydantic import Field, model_validator

from hil.scenario.fields import Celsius, Float, Fraction, FrozenModel, PartName, Positive
from hil.scenario.problems import Findings, did_you_mean, wrong_at
from hil.scenario.yaml.document import KeyPath, path_text

__all__ = [
    "MAX_LINKS",
    "MAX_NODES",
    "SPACE",
    "ZERO_C_K",
    "Conductor",
    "Coupling",
    "Mli",
    "Pointing",
    "RadiatorPanel",
    "Surface",
    "ThermalModel",
    "ThermalNode",
]

SPACE: Final = "space"
"""The boundary node of every network."""

ZERO_C_K: Final = 273.15
"""0 degrees Celsius."""

MAX_NODES: Final = 64
MAX_LINKS: Final = 256
"""The limits of the kernel (csrc/host/thermal.h)."""

Pair = tuple[PartName, PartName]


class Pointing(str, Enum):
    """The direction of a face. The spacecraft flies with one side down; arrays and `shade` turn."""

    SUN = "sun"
    ANTI_SUN = "anti-sun"
    NADIR = "nadir"
    ZENITH = "zenith"
    RAM = "ram"  # where it flies to
    WAKE = "wake"
    NORTH = "north"  # the orbit's normal
    SOUTH = "south"
    SHADE = "shade"  # across the sun and the nadir: its edge to both
    ANTI_SHADE = "anti-shade"  # the same, the other way

    @property
    def opposite(self) -> Pointing:
        """Return the opposite direction."""
        return _OPPOSITE[self]


_PAIRS = (
    (Pointing.SUN, Pointing.ANTI_SUN),
    (Pointing.NADIR, Pointing.ZENITH),
    (Pointing.RAM, Pointing.WAKE),
    (Pointing.NORTH, Pointing.SOUTH),
    (Pointing.SHADE, Pointing.ANTI_SHADE),
)
_OPPOSITE = dict(_PAIRS) | {b: a for a, b in _PAIRS}


class ThermalNode(FrozenModel):
    """A part that has one temperature: with a capacity, or held at a fixed temperature."""

    name: PartName = Field(description="Unique name.")
    capacity_j_per_k: Positive | None = Field(
        default=None, description="Heat capacity: mass times specific heat."
    )
    fixed_c: Celsius | None = Field(
        default=None, description="Instead of a capacity: the temperature that it is held at."
    )
    start_c: Celsius = Field(default=20.0, description="Temperature at the beginning.")

    @model_validator(mode="after")
    def _one_kind(self) -> ThermalNode:
        findings = Findings()
        if self.capacity_j_per_k is None and self.fixed_c is None:
            findings.add(
                "capacity_j_per_k",
                "this node has neither a capacity nor a fixed temperature",
                "add `capacity_j_per_k:`, or `fixed_c:` for a boundary",
            )
        if self.capacity_j_per_k is not None and self.fixed_c is not None:
            findings.add(
                "fixed_c",
                "a node of fixed temperature has no use for a capacity",
                "remove one of them",
            )
        wrong_at("ThermalNode", findings)
        return self


class Conductor(FrozenModel):
    """Heat conduction between two nodes: GL."""

    between: Pair = Field(description="Two nodes.")
    w_per_k: Positive = Field(description="Conductance GL.")


class Coupling(FrozenModel):
    """Radiation between two nodes: GR, the emissivities and view factor included."""

    between: Pair = Field(description="Two nodes.")
    m2: Positive = Field(description="Radiative coupling GR: eps_i A_i B_ij.")


class Mli(FrozenModel):
    """Multi-layer insulation of a node: it radiates with an effective emittance only.

    What sun and Earth heat its outer layer with is neglected (less than a percent gets through).
    """

    node: PartName = Field(description="The node under the blanket.")
    towards: PartName = Field(default=SPACE, description="What it faces.")
    area_m2: Positive = Field(description="Area of the blanket.")
    effective_emittance: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=0.02, description="Effective emittance; 0.005-0.03, design value 0.02 [R]."
    )


class Surface(FrozenModel):
    """A face that sees space, sun and Earth: radiator, body panel, solar array."""

    name: PartName = Field(description="Unique name; environments have a column for each face.")
    node: PartName = Field(description="The node that it is part of.")
    area_m2: Positive = Field(description="Area.")
    emissivity: Fraction = Field(description="Infrared emissivity (and absorptivity).")
    absorptivity: Fraction = Field(description="Solar absorptivity at beginning of life (BOL).")
    absorptivity_eol: Fraction | None = Field(
        default=None, description="The same at end of life; default: unchanged."
    )
    view: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Fraction of its half-space that the satellite leaves free."
    )
    pointing: Pointing | None = Field(default=None, description="Where its normal looks.")


class RadiatorPanel(FrozenModel):
    """A deployable radiator that radiates from both sides, on a hinge or heat pipe.

    Becomes a node `NAME`, a conductor, and the faces `NAME.front` and `NAME.back`.
    """

    name: PartName = Field(description="Unique name.")
    attached_to: PartName = Field(description="The node that it cools.")
    w_per_k: Positive = Field(description="Conductance of hinge or heat pipe.")
    area_m2: Positive = Field(description="Area of one side.")
    capacity_j_per_k: Positive = Field(description="Heat capacity.")
    emissivity: Fraction = Field(description="Infrared emissivity of both sides.")
    absorptivity: Fraction = Field(description="Solar absorptivity at beginning of life (BOL).")
    absorptivity_eol: Fraction | None = Field(
        default=None, description="The same at end of life; default: unchanged."
    )
    view: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Fraction of each side's half-space that is free."
    )
    pointing: Pointing | None = Field(
        default=None, description="Where the front looks; the back looks the other way."
    )
    start_c: Celsius = Field(default=20.0, description="Temperature at the beginning.")

    @property
    def faces(self) -> tuple[Surface, Surface]:
        """Return its two sides."""
        front, back = (
            Surface(
                name=f"{self.name}.{side}",
                node=self.name,
                area_m2=self.area_m2,
                emissivity=self.emissivity,
                absorptivity=self.absorptivity,
                absorptivity_eol=self.absorptivity_eol,
                view=self.view,
                pointing=self.pointing
                and (self.pointing if side == "front" else self.pointing.opposite),
            )
            for side in ("front", "back")
        )
        return front, back


class ThermalModel(FrozenModel):
    """A whole network. The node `space` is there without being listed."""

    nodes: tuple[ThermalNode, ...] = Field(description="The parts.")
    conductors: tuple[Conductor, ...] = Field(default=(), description="Conduction between them.")
    couplings: tuple[Coupling, ...] = Field(default=(), description="Radiation between them.")
    surfaces: tuple[Surface, ...] = Field(default=(), description="Faces to space, sun and Earth.")
    mli: tuple[Mli, ...] = Field(default=(), description="Insulation blankets.")
    panels: tuple[RadiatorPanel, ...] = Field(default=(), description="Deployable radiators.")
    space_k: Annotated[Float, Field(ge=0, le=300)] = Field(
        default=3.0, description="Temperature of the sky: 2.7 K, taken as 3 K [S/R]."
    )

    @property
    def all_nodes(self) -> tuple[ThermalNode, ...]:
        """Return the listed nodes, then panels, then space."""
        panels = (
            ThermalNode(name=p.name, capacity_j_per_k=p.capacity_j_per_k, start_c=p.start_c)
            for p in self.panels
        )
        space = ThermalNode(name=SPACE, fixed_c=self.space_k - ZERO_C_K)
        return (*self.nodes, *panels, space)

    @property
    def all_conductors(self) -> tuple[Conductor, ...]:
        """Return the listed conductors, then the hinges of panels."""
        hinges = (
            Conductor(between=(p.attached_to, p.name), w_per_k=p.w_per_k) for p in self.panels
        )
        return (*self.conductors, *hinges)

    @property
    def all_faces(self) -> tuple[Surface, ...]:
        """Return the listed surfaces, then front and back of each panel."""
        return (*self.surfaces, *(face for panel in self.panels for face in panel.faces))

    @property
    def all_radiators(self) -> tuple[Coupling, ...]:
        """Return every radiative coupling: listed ones, faces to space, blankets."""
        return (
            *self.couplings,
            *(
                Coupling(between=(f.node, SPACE), m2=f.emissivity * f.area_m2 * f.view)
                for f in self.all_faces
                if f.emissivity > 0
            ),
            *(
                Coupling(between=(m.node, m.towards), m2=m.effective_emittance * m.area_m2)
                for m in self.mli
            ),
        )

    @model_validator(mode="after")
    def _consistent(self) -> ThermalModel:
        findings = Findings()
        names = self._check_names(findings)
        self._check_references(findings, names)
        self._check_duplicates(findings)
        if not findings:
            self._check_sizes(findings)
            self._check_connected(findings)
        wrong_at("ThermalModel", findings)
        return self

    def _check_names(self, findings: Findings) -> set[str]:
        seen = {SPACE}
        faces: set[str] = set()
        if not self.nodes:
            findings.add("nodes", "no nodes; expected at least one")
        named: list[tuple[KeyPath, str]] = [
            *((("nodes", i, "name"), node.name) for i, node in enumerate(self.nodes)),
            *((("panels", i, "name"), panel.name) for i, panel in enumerate(self.panels)),
        ]
        for path, name in named:
            if name in seen:
                what = "is there without being listed" if name == SPACE else "exists"
                findings.add(path, f"a node `{name}` {what}", "choose another name")
            seen.add(name)
        for index, face in enumerate(self.all_faces):
            if face.name in faces:
                listed = index < len(self.surfaces)
                findings.add(
                    ("surfaces", index, "name") if listed else "panels",
                    f"a face `{face.name}` exists",
                    "choose another name",
                )
            faces.add(face.name)
        return seen

    def _check_references(self, findings: Findings, names: set[str]) -> None:
        def known(path: KeyPath, name: str) -> None:
            if name not in names:
                findings.add(path, f"there is no node `{name}`", did_you_mean(name, sorted(names)))

        for path, (a, b) in self._listed_links():
            known((*path, 0), a)
            known((*path, 1), b)
            if a == b:
                findings.add(path, "both ends are the same node")
        for index, surface in enumerate(self.surfaces):
            known(("surfaces", index, "node"), surface.node)
        for index, blanket in enumerate(self.mli):
            known(("mli", index, "node"), blanket.node)
            known(("mli", index, "towards"), blanket.towards)
            if blanket.node == blanket.towards:
                findings.add(("mli", index, "towards"), "both ends are the same node")
        for index, panel in enumerate(self.panels):
            known(("panels", index, "attached_to"), panel.attached_to)
            if panel.attached_to == panel.name:
                findings.add(
                    ("panels", index, "attached_to"), "a panel cannot be attached to itself"
                )

    def _listed_links(self) -> Iterator[tuple[KeyPath, Pair]]:
        for index, conductor in enumerate(self.conductors):
            yield ("conductors", index, "between"), conductor.between
        for index, coupling in enumerate(self.couplings):
            yield ("couplings", index, "between"), coupling.between

    def _check_duplicates(self, findings: Findings) -> None:
        seen: dict[tuple[object, frozenset[str]], KeyPath] = {}
        for path, (a, b) in self._listed_links():
            link = (path[0], frozenset((a, b)))
            if link in seen:
                findings.add(
                    path,
                    f"`{a}` and `{b}` are linked by `{path_text(seen[link][:2])[2:]}`, too",
                    "add the two values and keep one entry",
                )
            seen.setdefault(link, path)

    def _check_sizes(self, findings: Findings) -> None:
        for key, count, most in (
            ("nodes", len(self.all_nodes), MAX_NODES),
            ("conductors", len(self.all_conductors), MAX_LINKS),
            ("couplings", len(self.all_radiators), MAX_LINKS),
        ):
            if count > most:
                findings.add(key, f"the network needs {count}; at most {most} are possible")

    def _check_connected(self, findings: Findings) -> None:
        """Add findings for nodes without a path to a boundary: their temperature would rise without
        end.
        """
        nodes = self.all_nodes
        reached = {node.name for node in nodes if node.fixed_c is not None}
        links = [set(conductor.between) for conductor in self.all_conductors]
        links += [set(coupling.between) for coupling in self.all_radiators]
        grown = True
        while grown:
            touching = set().union(*(ends for ends in links if ends & reached))
            grown = not touching <= reached
            reached |= touching
        for index, node in enumerate(nodes):
            if node.name not in reached:
                listed = index < len(self.nodes)
                findings.add(
                    ("nodes", index, "name") if listed else "panels",
                    f"no heat can leave the node `{node.name}`: "
                    "nothing links it to space or to a fixed temperature",
                    "add a conductor, a coupling, a surface or a blanket",
                )
