"""The definitions of the space packets for ground systems: XTCE for Yamcs, text for OpenC3."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hil.export.ccsds_packets import PACKETS, TIME_FIELDS, Packet, PacketField

__all__ = ["openc3_text", "xtce_document"]

_NAMESPACE: Final = "http://www.omg.org/spec/XTCE/20180204"
_ROOT: Final = "CCSDSPacket"
_HEADER: Final = (
    ("VERSION", 3),
    ("TYPE", 1),
    ("SEC_HDR_FLG", 1),
    ("PKT_APID", 11),
    ("SEQ_FLGS", 2),
    ("SRC_SEQ_CTR", 14),
    ("PKT_LEN", 16),
)


def xtce_document() -> bytes:
    """Return the packets as an XTCE 1.2 document. A parameter has the name of its packet before
    that of the field: `frame.verdict` is FRAME_VERDICT."""
    ElementTree.register_namespace("xtce", _NAMESPACE)
    system = Element(_x("SpaceSystem"), name="HIL")
    telemetry = SubElement(system, _x("TelemetryMetaData"))
    types = SubElement(telemetry, _x("ParameterTypeSet"))
    parameters = SubElement(telemetry, _x("ParameterSet"))
    containers = SubElement(telemetry, _x("ContainerSet"))
    root = SubElement(containers, _x("SequenceContainer"), name=_ROOT, abstract="true")
    entries = SubElement(root, _x("EntryList"))
    for name, bits in _HEADER:
        _integer_type(types, f"{name}_T", bits)
        SubElement(parameters, _x("Parameter"), name=name, parameterTypeRef=f"{name}_T")
        SubElement(entries, _x("ParameterRefEntry"), parameterRef=name)
    for packet in PACKETS:
        _container(packet, types, parameters, containers)
    ElementTree.indent(system)
    return bytes(ElementTree.tostring(system, "utf-8", xml_declaration=True)) + b"\n"


def _x(tag: str) -> str:
    return f"{{{_NAMESPACE}}}{tag}"


def _container(packet: Packet, types: Element, parameters: Element, containers: Element) -> None:
    container = SubElement(
        containers,
        _x("SequenceContainer"),
        name=packet.name.upper(),
        shortDescription=packet.text,
    )
    entries = SubElement(container, _x("EntryList"))
    for field in (*TIME_FIELDS, *packet.fields):
        name = f"{packet.name}_{field.name}".upper()
        _type(types, f"{name}_T", field)
        SubElement(parameters, _x("Parameter"), name=name, parameterTypeRef=f"{name}_T")
        SubElement(entries, _x("ParameterRefEntry"), parameterRef=name)
    base = SubElement(container, _x("BaseContainer"), containerRef=_ROOT)
    criteria = SubElement(base, _x("RestrictionCriteria"))
    SubElement(
        criteria,
        _x("Comparison"),
        parameterRef="PKT_APID",
        value=str(packet.apid),
        useCalibratedValue="false",
    )


def _integer_type(types: Element, name: str, bits: int) -> None:
    made = SubElement(types, _x("IntegerParameterType"), name=name, signed="false")
    SubElement(made, _x("IntegerDataEncoding"), sizeInBits=str(bits), encoding="unsigned")


def _type(types: Element, name: str, field: PacketField) -> None:
    if field.is_text:
        made = SubElement(types, _x("StringParameterType"), name=name)
        encoding = SubElement(made, _x("StringDataEncoding"), encoding="UTF-8")
        size = SubElement(encoding, _x("SizeInBits"))
        SubElement(SubElement(size, _x("Fixed")), _x("FixedValue")).text = str(field.bits)
        SubElement(size, _x("TerminationChar")).text = "00"
        return
    if field.code in "fd":
        size_in_bits = str(field.bits)
        made = SubElement(types, _x("FloatParameterType"), name=name, sizeInBits=size_in_bits)
        _unit(made, field)
        SubElement(made, _x("FloatDataEncoding"), sizeInBits=size_in_bits, encoding="IEEE754_1985")
        return
    tag = "IntegerParameterType" if field.words is None else "EnumeratedParameterType"
    more = {"signed": "false", "sizeInBits": str(field.bits)} if field.words is None else {}
    made = SubElement(types, _x(tag), {"name": name, **more})
    _unit(made, field)
    SubElement(made, _x("IntegerDataEncoding"), sizeInBits=str(field.bits), encoding="unsigned")
    if field.words is not None:
        words = SubElement(made, _x("EnumerationList"))
        for value, word in field.words.items():
            SubElement(words, _x("Enumeration"), value=str(value), label=word)


def _unit(made: Element, field: PacketField) -> None:
    if field.unit:
        SubElement(SubElement(made, _x("UnitSet")), _x("Unit")).text = field.unit


def openc3_text() -> str:
    """Return the packets as a telemetry file of an OpenC3 target (cmd_tlm)."""
    return "\n".join(line for packet in PACKETS for line in _openc3_lines(packet)) + "\n"


def _openc3_lines(packet: Packet) -> list[str]:
    lines = [f'TELEMETRY HIL {packet.name.upper()} BIG_ENDIAN "{packet.text}"']
    for name, bits in _HEADER:
        if name == "PKT_APID":
            lines.append(f"  APPEND_ID_ITEM {name} {bits} UINT {packet.apid}")
        else:
            lines.append(f"  APPEND_ITEM {name} {bits} UINT")
    for field in (*TIME_FIELDS, *packet.fields):
        kind = "STRING" if field.is_text else "FLOAT" if field.code in "fd" else "UINT"
        lines.append(f"  APPEND_ITEM {field.name.upper()} {field.bits} {kind}")
        if field.unit:
            lines.append(f'    UNITS "{field.unit}" "{field.unit}"')
        for value, word in (field.words or {}).items():
            lines.append(f"    STATE {word.upper()} {value}")
    lines += [
        '  ITEM PACKET_TIME 0 0 DERIVED "Time of the run"',
        "    READ_CONVERSION openc3/conversions/unix_time_conversion.py UNIX_S",
    ]
    return [*lines, ""]
