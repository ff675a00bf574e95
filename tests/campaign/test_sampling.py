"""Drawing faults: each with the same probability, spread over time; and lists of them as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy

from hil.campaign.fault_list import FaultListHead, check_faults, read_faults, write_faults
from hil.campaign.fault_space import FaultSpace, FrameSpace, TargetSpace, frames_text, parse_frames
from hil.campaign.sampling import draw, in_proportion
from hil.errors import ConfigError, UsageError
from hil.random_streams import stream
from hil.record.campaign_rows import MomentUnit
from hil.scenario import UpsetTarget

NO_PATH = np.zeros(0, np.uint64)
FRAMES = (FrameSpace(3, 5, NO_PATH), FrameSpace(7, 4, NO_PATH))
LIVE = (np.array([2, 2, 1, 0, 2]), np.array([2, 1, 1, 2]))
"""Of a stack of three bytes: how many lie below its pointer."""
SPACE = FaultSpace(
    MomentUnit.INSTRUCTION,
    FRAMES,
    (TargetSpace(UpsetTarget.STATE, 3), TargetSpace(UpsetTarget.STACK, 3, LIVE)),
)


def all_faults(target: int) -> list[tuple[int, int, int, int]]:
    """Every fault of a target: frame, moment, byte and bit, enumerated by hand."""
    return [
        (frame.frame, moment, byte, bit)
        for number, frame in enumerate(FRAMES)
        for moment in range(frame.moments)
        for byte in range(int(LIVE[number][moment]) if target else 0, 3)
        for bit in range(8)
    ]


@pytest.mark.parametrize("target", [0, 1])
def test_each_fault_is_drawn_equally_often(target: int) -> None:
    faults = all_faults(target)
    assert SPACE.size(target) == len(faults)
    counts = dict.fromkeys(faults, 0)
    rounds, size = 60, 401  # which the number of faults is no multiple of
    for seed in range(rounds):
        table = draw(SPACE, [size if t == target else 0 for t in (0, 1)], seed, 0, 0)
        for at in range(size):
            place = (table.frame[at], table.moment[at], table.byte[at], table.bit[at])
            counts[tuple(int(v) for v in place)] += 1  # type: ignore[index]
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_a_sample_is_spread_over_time() -> None:
    """As many of it in each quarter of the faults as belong there, and one more or less."""
    table = draw(SPACE, [100, 0], 5, 0, 0)
    place = {fault: at for at, fault in enumerate(all_faults(0))}
    rows = zip(table.frame, table.moment, table.byte, table.bit, strict=True)
    places = np.array([place[int(f), int(m), int(b), int(i)] for f, m, b, i in rows])
    quarters = np.histogram(places, bins=4, range=(0, len(place)))[0]
    assert max(abs(quarters - 25)) <= 1


def test_a_draw_repeats_and_stages_differ() -> None:
    one, again = draw(SPACE, [50, 20], 1, 0, 0), draw(SPACE, [50, 20], 1, 0, 0)
    for column, other in zip(one.columns, again.columns, strict=True):
        assert column.tolist() == other.tolist()
    second = draw(SPACE, [50, 20], 1, 1, 70)
    assert second.number.tolist() == list(range(70, 140))
    assert second.byte.tolist() != one.byte.tolist()
    assert draw(SPACE, [50, 20], 2, 0, 0).byte.tolist() != one.byte.tolist()


def test_the_draw_is_of_the_streams_of_the_kernel() -> None:
    """Computed again with the kernel's own generator, and whole numbers."""
    table = draw(SPACE, [40, 0], 9, 2, 0)
    random, faults = stream(9, "faults state 2"), all_faults(0)
    expected = [
        faults[len(faults) * (part * 2**64 + random.bits64()) // (40 * 2**64)] for part in range(40)
    ]
    rows = zip(table.frame, table.moment, table.byte, table.bit, strict=True)
    assert [tuple(int(v) for v in row) for row in rows] == expected


def test_faults_are_carried_out_in_the_order_of_time() -> None:
    table = draw(SPACE, [200, 100], 3, 0, 0)
    ordered = table.chosen(table.order)
    assert sorted(ordered.number.tolist()) == list(range(300))
    times = list(zip(ordered.frame.tolist(), ordered.moment.tolist(), strict=True))
    assert times == sorted(times)


def test_in_proportion() -> None:
    assert in_proportion(SPACE, 1000) == [
        round(1000 * SPACE.size(0) / (SPACE.size(0) + SPACE.size(1))),
        round(1000 * SPACE.size(1) / (SPACE.size(0) + SPACE.size(1))),
    ]
    assert in_proportion(SPACE, 1) == [1, 1]


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("3", (3,)),
        ("0:5", (0, 1, 2, 3, 4)),
        ("0:10:4", (0, 4, 8)),
        ("7,1:3", (1, 2, 7)),
        ("5,2,9", (2, 5, 9)),
        ("2,5", (2, 5)),
    ],
)
def test_frames(text: str, frames: tuple[int, ...]) -> None:
    assert parse_frames(text, 10) == frames
    assert parse_frames(frames_text(frames), 10) == frames


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1:2:0", "1:2:3:4", "1:", "10", "5:11", "3:3", "1.5"]
)
def test_what_does_not_name_frames_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--frames"):
        parse_frames(text, 10)


# --- lists ------------------------------------------------------------------------------------


HEAD = FaultListHead(
    "attitude", 11, "3,7", (UpsetTarget.STATE, UpsetTarget.STACK), MomentUnit.INSTRUCTION
)


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = draw(SPACE, [30, 10], 3, 0, 0)
    write_faults(tmp_path / "a", HEAD, table)
    listed = read_faults(tmp_path / "a")
    assert listed.head == HEAD
    for column, other in zip(listed.faults.columns, table.columns, strict=True):
        assert column.tolist() == other.tolist()
    check_faults(listed, SPACE)
    write_faults(tmp_path / "b", listed.head, listed.faults)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


GOOD = """# hil faults 1
# workload: attitude
# seed: 11
# frames: 3,7
# targets: state,stack
# by hand: the two that matter
number,frame,target,byte,bit,instruction

0,3,state,1,2,4
# the second
1,7,stack,2,0,3
"""


def test_a_list_that_was_written_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(GOOD)
    listed = read_faults(tmp_path / "a")
    assert listed.head == HEAD
    assert listed.lines == (9, 11)
    assert listed.faults.moment.tolist() == [4, 3]


@pytest.mark.parametrize(
    "text",
    [GOOD.replace("\n", "\r\n"), f"\ufeff{GOOD}", GOOD.rstrip("\n"), GOOD.replace(",", " , ")],
    ids=["line ends of Windows", "a mark before the first line", "no last line end", "blanks"],
)
def test_a_list_of_another_editor_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_bytes(text.encode())
    assert read_faults(tmp_path / "a").faults.moment.tolist() == [4, 3]


def test_a_list_of_ticks_is_refused_where_instructions_count(tmp_path: Path) -> None:
    """The same numbers would be other moments."""
    (tmp_path / "a").write_text(GOOD.replace("bit,instruction", "bit,tick"))
    with pytest.raises(UsageError, match="a counts ticks, and these boards count instructions"):
        check_faults(read_faults(tmp_path / "a"), SPACE)


def test_a_list_of_another_build_is_refused(tmp_path: Path) -> None:
    path = np.arange(6, dtype=np.uint64)
    frames = tuple(FrameSpace(f.frame, f.moments, path[: f.moments + 1]) for f in FRAMES)
    space = FaultSpace(MomentUnit.INSTRUCTION, frames, SPACE.targets)
    assert space.path_digest
    (tmp_path / "a").write_text(GOOD.replace("# by", f"# path: {space.path_digest}\n# by"))
    check_faults(read_faults(tmp_path / "a"), space)
    (tmp_path / "a").write_text(GOOD.replace("# by", "# path: 0123456789abcdef\n# by"))
    with pytest.raises(UsageError, match="is of another build"):
        check_faults(read_faults(tmp_path / "a"), space)


def test_a_list_without_end_is_refused_in_parts(tmp_path: Path) -> None:
    """A thousand problems are enough to know that it is none."""
    (tmp_path / "a").write_text(GOOD + "no fault\n" * 100_000)
    with pytest.raises(ConfigError) as raised:
        read_faults(tmp_path / "a")
    assert len(raised.value.problems) == 1000
    with pytest.raises(UsageError, match="is not a file"):
        read_faults(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("targets: state,stack", "targets: state,state,stack", "`state` is there twice"),
        ("1,7,stack,2,0,3", "1,7,stack,1,0,3", "byte 1: stack begins at byte 2 there"),
        ("0,3,state,1,2,4", "0,3,state,1,2,nan", "moment `nan` is not a whole number"),
        ("0,3,state,1,2,4", "0,3,state,1,2,4\x00", "is not a whole number"),
        ("0,3,state,1,2,4", "0,3,state,1,2,٤", "is not a whole number"),
        ("0,3,state,1,2,4", "0,3,state,1,-2,4", "bit `-2` is not a whole number"),
        ("0,3,state,1,2,4", "0,3,state,1,2", "a:9:1: 5 fields, not 6"),
        ("0,3,state,1,2,4", "0,3,state,1,8,4", "a:9:1: bit 8 is not one of 0 to 7"),
        ("0,3,state,1,2,4", "0,3,text,1,2,4", "a:9:1: target `text` is not a target of this list"),
        ("0,3,state,1,2,4", "0,3,state,-1,2,4", "a:9:1: byte `-1` is not a whole number"),
        ("0,3,state,1,2,4", "0,3,state,1,2," + 30 * "9", "is not a whole number"),
        ("1,7,stack", "0,7,stack", "a:11:1: number 0 is there twice"),
        ("number,frame", "id,frame", "a:7:1: the columns are not"),
        ("bit,instruction", "bit,second", "a:7:1: the columns are not"),
        ("# seed: 11\n", "", "there is no line `# seed: ...`"),
        ("# targets: state,stack", "# targets: state,moon", "`moon` is not a target"),
        ("hil faults 1", "hil faults 2", "a:1:1: `# hil faults 2` is not a version"),
        ("seed: 11", "seed: x", "`x` is not a whole number"),
        ("0,3,state,1,2,4", "0,3,state,3,2,4", "a:9:1: byte 3: state has 3 bytes"),
        ("0,3,state,1,2,4", "0,3,state,1,2,5", "a:9:1: instruction 5: frame 3 has instructions 0"),
        ("0,3,state,1,2,4", "0,4,state,1,2,4", "a:9:1: frame 4 is not among 3,7"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    (tmp_path / "a").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        check_faults(read_faults(tmp_path / "a"), SPACE)
    assert message in str(raised.value)


def test_a_list_without_faults_or_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(GOOD[: GOOD.index("0,3,")])
    with pytest.raises(ConfigError, match="no fault in it"):
        read_faults(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    for name in ("b", "c"):
        with pytest.raises(UsageError, match="--faults"):
            read_faults(tmp_path / name)
