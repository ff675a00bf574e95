"""Properties of the wire: every message survives, and any bytes are only counted or refused.

Messages are drawn from the layout tables of csrc/SPEC.md; frames are judged by the decoder of ten
lines in tests/wire/framing.py, over PyPI `cobs` and `google_crc32c`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import google_crc32c
from cobs import cobs
from hypothesis import strategies as st

from hil import kernel
from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.rig.backends.inproc import InprocBoard
from hil.wire import decoding, encoding
from hil.wire.messages import PATTERNS, SEFIS, TARGETS, Arm, Limits, Msg, Region
from tests.properties import property_of
from tests.wire.framing import Decoder, Outcome, encode, expected
from tests.wire.spec import LAYOUTS, Row, Value, c_pack, c_status, c_unpack, python_pack
from tests.wire.spec import python_unpack as taken_apart

BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "i8": 8, "i32": 32}
MESSAGES = sorted(set(LAYOUTS) - {"hil_rail_t", "hil_reading_t"})
PAYLOADS = st.binary(max_size=300) | st.integers(0, lib.WIRE_PAYLOAD_MAX).map(bytes)


# --- messages from the document's tables ----------------------------------------------------------


def texts(size: int) -> st.SearchStrategy[str]:
    """Texts that fit `size` bytes with the zero behind them."""
    return st.text("aZ9:\x7f\u00e9\u20ac", max_size=size - 1).filter(
        lambda text: len(text.encode()) < size
    )


def integers(kind: str) -> st.SearchStrategy[int]:
    bits = BITS[kind]
    low, high = (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.integers(low, high) | st.sampled_from([low, high])


def values(row: Row, fields: dict[str, Value]) -> st.SearchStrategy[Any]:
    """Legal values of a row; `fields` has the rows before it."""
    entries = fields[row.counted_by] if row.entry else 0
    if row.type == "text":
        return texts(int(row.size))
    if row.type == "bytes":
        size = entries if row.entry else int(row.size)
        return st.binary(min_size=size, max_size=size)
    if row.type == "hil_rail_t":
        rails = st.tuples(texts(8), integers("i32"), integers("i32"))
        return st.lists(rails, min_size=entries, max_size=entries)
    if row.type == "hil_reading_t":
        readings = st.tuples(st.integers(1, 3), texts(16), integers("i32"))
        return st.lists(readings, min_size=entries, max_size=entries)
    if row.entry:
        return st.lists(integers(row.type), min_size=entries, max_size=entries)
    return integers(row.type) if row.range is None else st.integers(*row.range)


@st.composite
def messages(draw: st.DrawFn, layouts: list[str] = MESSAGES) -> tuple[str, dict[str, Value]]:
    layout = draw(st.sampled_from(layouts))
    fields: dict[str, Value] = {}
    for row in LAYOUTS[layout]:
        fields[row.name] = draw(values(row, fields))
    if layout == "hil_arm_t" and fields["target"] == lib.TARGET_CPU:
        fields["kind"] = min(fields["kind"], lib.SEFI_RESET)
    if layout == "hil_report_t":  # what stands behind the window does not count
        for name in ("before", "after"):
            fields[name] = fields[name][: fields["len"]].ljust(16, b"\0")
    return layout, fields


@property_of(messages(), quick=60, slow=1000)
def test_every_message_is_packed_by_the_tables_and_read_back(
    message: tuple[str, dict[str, Value]],
) -> None:
    layout, fields = message
    payload = python_pack(layout, fields)
    assert c_pack(layout, fields) == payload
    assert c_unpack(layout, payload) == fields
    assert taken_apart(layout, payload) == fields


@property_of(messages(), st.integers(0, 255), st.integers(0, 65535), quick=30)
def test_every_message_crosses_the_wire_as_it_was(
    message: tuple[str, dict[str, Value]], type_: int, seq: int
) -> None:
    payload = python_pack(*message)
    coded = kernel.encode(type_, seq, payload)
    assert coded == encode(type_, seq, payload)
    decoder = kernel.Decoder()
    assert decoder.push(coded) == ([kernel.Frame(type_, seq, payload)], 0)
    assert decoder.counters.bytes == len(coded)
    assert decoder.counters.errors == 0


# --- requests and answers as values ---------------------------------------------------------------

ANY_INTEGER = st.integers(-2, 2**65) | st.integers(-(2**63), 300)
REQUESTS: st.SearchStrategy[tuple[str, Callable[[], bytes], dict[str, Value]]] = st.one_of(
    st.builds(
        lambda name, seed: (
            "hil_load_t",
            lambda: encoding.load_request(name, seed),
            {"workload": name, "seed": seed},
        ),
        st.text("aZ\u00e9\0", max_size=18),
        ANY_INTEGER,
    ),
    st.builds(
        lambda cpu, ticks, words: (
            "hil_budget_t",
            lambda: encoding.budget_request(cpu, ticks, words),
            {"cpu_us": cpu, "max_ticks": ticks, "scrub_words": words},
        ),
        ANY_INTEGER,
        ANY_INTEGER,
        ANY_INTEGER,
    ),
    st.builds(
        lambda frame, input_: (
            "hil_step_t",
            lambda: encoding.step_request(frame, input_),
            {"frame": frame, "len": len(input_), "input": input_},
        ),
        ANY_INTEGER,
        st.binary(max_size=260),
    ),
    st.builds(
        lambda baud: ("hil_baud_t", lambda: encoding.baud_request(baud), {"baud": baud}),
        ANY_INTEGER,
    ),
    st.builds(
        lambda id_: ("id", lambda: encoding.id_request(id_), {"id": id_}),
        ANY_INTEGER,
    ),
    st.builds(
        lambda region, span, first, count: (
            "hil_spans_query_t",
            lambda: encoding.spans_request(region, span, first, count),
            {"region": region, "span": span, "first": first, "count": count},
        ),
        st.sampled_from(Region),
        ANY_INTEGER,
        ANY_INTEGER,
        ANY_INTEGER,
    ),
    st.builds(
        lambda region, offset, length: (
            "hil_range_t",
            lambda: encoding.read_request(region, offset, length),
            {"region": region, "offset": offset, "len": length},
        ),
        st.sampled_from(Region),
        ANY_INTEGER,
        ANY_INTEGER,
    ),
    st.builds(
        lambda region, offset, data: (
            "hil_data_t",
            lambda: encoding.write_request(region, offset, data),
            {"region": region, "offset": offset, "len": len(data), "bytes": data},
        ),
        st.sampled_from(Region),
        ANY_INTEGER,
        st.binary(max_size=40) | st.integers(1000, 1010).map(bytes),
    ),
    st.builds(
        lambda frame, digest: (
            "hil_sync_t",
            lambda: encoding.sync_request(frame, digest),
            {"frame": frame, "state_digest": digest},
        ),
        ANY_INTEGER,
        ANY_INTEGER,
    ),
)


@property_of(REQUESTS, quick=120, slow=1000)
def test_a_request_has_the_values_that_it_was_given_or_is_refused(
    request: tuple[str, Callable[[], bytes], dict[str, Value]],
) -> None:
    layout, make, wanted = request
    try:
        payload = make()
    except KernelError:
        return
    assert c_unpack(layout, payload) == wanted


@property_of(
    st.builds(
        Limits,
        st.integers(1, 1000),
        st.integers(0, 255),
        st.booleans(),
        st.integers(0, 2**32 - 1),
        texts(32),
    )
)
def test_limits_reach_the_board_as_they_are(limits: Limits) -> None:
    assert c_unpack("hil_limits_t", encoding.limit_request(limits)) == {
        "duty_permille": limits.duty_permille,
        "cores": limits.cores,
        "suspend": limits.suspend,
        "clock_khz": limits.clock_khz,
        "mode": limits.mode,
    }


@st.composite
def upsets(draw: st.DrawFn) -> Arm:
    target = draw(st.sampled_from(sorted(TARGETS)))
    return Arm(
        draw(integers("u32")),
        draw(integers("u64")),
        target,
        draw(st.sampled_from(sorted(SEFIS if target == "cpu" else PATTERNS))),
        draw(integers("u32")),
        draw(integers("u32")),
        draw(st.none() | integers("u32")),
        draw(integers("u8")),
        draw(st.integers(0, 2**63 - 1)),
        draw(integers("u64")),
        draw(integers("u32")),
        draw(st.booleans()),
    )


@property_of(upsets(), quick=30)
def test_an_upset_reaches_the_board_as_it_was_planned(arm: Arm) -> None:
    got = c_unpack("hil_arm_t", encoding.arm_request(arm))
    assert got["bit"] == arm.bit + (2**63 if arm.exact else 0)
    assert got["target"] == TARGETS[arm.target]
    assert got["kind"] == (SEFIS if arm.target == "cpu" else PATTERNS)[arm.kind]
    assert (got["trigger"], got["at"]) == ((0, arm.tick) if arm.us is None else (1, arm.us))
    for name in ("id", "frame", "steps", "hold_frames", "width", "value"):
        assert got[name] == getattr(arm, name)


ANSWERS: dict[str, Callable[[bytes], object]] = {
    "hil_hello_t": decoding.hello,
    "hil_reply_t": decoding.reply,
    "hil_report_t": decoding.report,
    "hil_activation_t": decoding.activation,
    "hil_health_t": decoding.health,
    "hil_sensors_t": decoding.sensors,
    "hil_image_t": decoding.image,
    "hil_program_t": decoding.program,
    "hil_limited_t": decoding.limited,
    "hil_baud_t": decoding.baud,
    "hil_refusal_t": decoding.refusal,
    "hil_sync_t": decoding.sync,
    "hil_done_t": decoding.done_value,
    "hil_loaded_t": decoding.state_digest_of_loaded,
    "hil_spans_t": decoding.span_digests,
    "hil_data_t": decoding.data,
}
SAME_NAMES = ["hil_hello_t", "hil_report_t", "hil_health_t", "hil_refusal_t", "hil_sync_t"]
UNKNOWN = {"cpu_temp_mc": -(2**31), "pc_offset": 2**64 - 1} | dict.fromkeys(
    ("clock_khz", "throttled", "rss_kib", "free_mib"), 2**32 - 1
)


@property_of(messages(SAME_NAMES), quick=30, slow=400)
def test_an_answer_is_decoded_to_the_values_that_it_has(
    message: tuple[str, dict[str, Value]],
) -> None:
    layout, fields = message
    value = ANSWERS[layout](python_pack(layout, fields))
    for name, sent in fields.items():
        if name in ("heartbeat", "len", "rails", "rail", "targets", "state"):
            continue
        wanted = None if name in UNKNOWN and sent == UNKNOWN[name] else sent
        if name in ("before", "after"):
            wanted = sent[: fields["len"]]
        assert getattr(value, name) == wanted, name


@st.composite
def damaged_messages(draw: st.DrawFn) -> tuple[str, bytes]:
    """A message with some bytes changed, cut off or added; or any bytes."""
    layout, fields = draw(messages(list(ANSWERS)))
    payload = bytearray(python_pack(layout, fields))
    for at, byte in draw(
        st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4)
    ):
        payload[at % len(payload)] = byte
    cut = draw(st.sampled_from([None, None, None, -1, len(payload) // 2]))
    return layout, bytes(payload[:cut]) + draw(st.just(b"") | st.binary(max_size=3))


@property_of(damaged_messages(), quick=40, slow=1000)
def test_any_payload_is_an_answer_or_refused(message: tuple[str, bytes]) -> None:
    layout, payload = message
    accepted = c_status(layout, payload) == lib.HIL_OK
    try:
        ANSWERS[layout](payload)
    except KernelError:
        assert not accepted
    else:
        assert accepted


# --- frames ---------------------------------------------------------------------------------------


@property_of(st.binary(max_size=700) | PAYLOADS, st.integers(0, 2**32 - 1))
def test_cobs_and_crc_are_those_of_the_libraries(data: bytes, before: int) -> None:
    out, n = ffi.new("uint8_t[]", lib.cobs_max(len(data))), ffi.new("size_t *")
    assert lib.cobs_encode(data, len(data), out, len(out), n) == lib.HIL_OK
    coded = bytes(ffi.buffer(out, n[0]))
    assert coded == cobs.encode(data)
    assert lib.cobs_decode(coded, len(coded), out, len(out), n) == lib.HIL_OK
    assert bytes(ffi.buffer(out, n[0])) == data
    assert lib.hil_crc32c(0, data, len(data)) == google_crc32c.value(data)
    assert lib.hil_crc32c(before, data, len(data)) == google_crc32c.extend(before, data)


FRAMES = st.tuples(st.integers(0, 255), st.integers(0, 65535), PAYLOADS)


@st.composite
def pieces_of_a_line(draw: st.DrawFn) -> bytes:
    """What may arrive: noise, idle zeros, a frame, a frame with a byte changed or cut off, a frame
    of another version, or more bytes than any frame has."""
    coded = bytearray(encode(*draw(FRAMES)))
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return draw(st.binary(max_size=60))
    if kind == 1:
        return bytes(draw(st.integers(1, 4)))
    if kind == 2:
        return b"\x41" * draw(st.integers(1030, 1100))
    if kind == 3:
        coded[draw(st.integers(0, len(coded) - 1))] = draw(st.integers(0, 255))
    elif kind == 4:
        del coded[draw(st.integers(0, len(coded))) :]
    elif kind == 5:
        type_, seq, payload = draw(FRAMES)
        return encode(type_, seq, payload, draw(st.integers(0, 255)))
    return bytes(coded)


LINES = st.lists(pieces_of_a_line(), max_size=8).map(b"".join)
CUTS = st.lists(st.integers(1, 1200), max_size=12)


def cut(stream: bytes, lengths: list[int]) -> list[bytes]:
    out = []
    for length in lengths:
        out.append(stream[:length])
        stream = stream[length:]
    return [*out, stream]


@property_of(LINES, CUTS, quick=60, slow=800)
def test_any_bytes_in_any_chunks_are_decoded_as_the_specification_says(
    stream: bytes, lengths: list[int]
) -> None:
    decoder, wrapped = Decoder(), kernel.Decoder()
    frames: list[Outcome] = []
    for piece in cut(stream, lengths):
        decoder.push(piece)
        frames += [(f.type, f.seq, f.payload) for f in wrapped.push(piece)[0]]
    assert decoder.outcomes == expected(stream)
    decoder.check_counters(stream)
    assert frames == [outcome for outcome in decoder.outcomes if not isinstance(outcome, str)]
    assert wrapped.counters.errors == len(decoder.outcomes) - len(frames)


@property_of(LINES, FRAMES, CUTS)
def test_a_good_frame_after_any_bytes_is_received(
    noise: bytes, frame: tuple[int, int, bytes], lengths: list[int]
) -> None:
    decoder = kernel.Decoder()
    frames: list[kernel.Frame] = []
    for piece in cut(noise + kernel.encode(*frame), lengths):
        frames += decoder.push(piece)[0]
    assert frames[-1] == frame
    assert not decoder.in_frame


def requests_of(many: list[tuple[str, dict[str, Value]]]) -> bytes:
    """Frames of messages, each with the type of a request that has this layout, where one has."""
    types = {
        "hil_load_t": Msg.LOAD,
        "hil_budget_t": Msg.BUDGET,
        "hil_step_t": Msg.STEP,
        "hil_arm_t": Msg.ARM,
        "id": Msg.REPORT,
        "hil_spans_query_t": Msg.SPANS,
        "hil_range_t": Msg.READ,
        "hil_data_t": Msg.WRITE,
        "hil_sync_t": Msg.RESTORE,
        "hil_limits_t": Msg.LIMIT,
        "hil_baud_t": Msg.BAUD,
    }
    return b"".join(
        kernel.encode(types.get(layout, Msg.HEALTH), seq, python_pack(layout, fields))
        for seq, (layout, fields) in enumerate(many)
    )


REQUEST_LINES = st.lists(messages(), max_size=3).map(requests_of)


@property_of(LINES | REQUEST_LINES, CUTS)
def test_an_agent_that_received_any_bytes_identifies_itself(
    noise: bytes, lengths: list[int]
) -> None:
    board = InprocBoard("a", 0)
    board.connect()
    for piece in cut(noise, lengths):
        board.write(piece)
    board.read()
    board.write(kernel.encode(Msg.HELLO, 0xBEEF))
    answers, bad = kernel.Decoder().push(board.read())
    assert not bad
    (hello,) = [f for f in answers if f.type == Msg.HELLO | lib.HIL_MSG_ANSWER and f.seq == 0xBEEF]
    assert decoding.hello(hello.payload).port == "inproc"
