"""Profile files: whatever stands in one is a profile, or a ConfigError that says what to do."""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hil.doctor.files import check
from hil.errors import ConfigError
from hil.plant.profile import Profile, read_profile

ROWS = "".join(f"{t},1\n" for t in range(0, 100, 10))


def written(folder: Path, content: str | bytes, name: str = "p.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, max_gap_s: float | None = None) -> str:
    """What is said of a file that is no profile."""
    with pytest.raises(ConfigError) as caught:
        read_profile(path, max_gap_s)
    return str(caught.value).removeprefix(str(path))


# --- CSV ------------------------------------------------------------------------------------------

# What stands in the file, where the mistake is, what is said of it, and what to do.
CSV: dict[str, tuple[str | bytes, int, str, str]] = {
    "unclosed quote": ('t_s,soc\n0,"1\n' + ROWS * 9000, 2, "a quote is opened", "close it"),
    "unclosed quote in the header": ('t_s,"soc\n' + ROWS, 1, "a quote is opened", "close it"),
    "quote across lines": ('t_s,soc\n0,1\n10,"1\n"\n', 3, "a quote is opened", "close it"),
    "text behind a quote": ('t_s,soc\n0,"1"2\n', 2, "its quotes are wrong", "remove them"),
    "zero byte": ("t_s,soc\n0,1\n1\x000,1\n", 3, "a zero byte", "UTF-8"),
    "UTF-16": (("t_s,soc\n" + ROWS).encode("utf-16"), 1, "UTF-16", "save it as UTF-8"),
    "Latin 1": (b"t_s,soc\n0,1\n10,1\xb0\n", 3, "the byte 0xb0", "UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1, "0x89", "right file"),
    "one huge line": ("t_s,soc\n" + "1," * 100_000, 2, "more than 131072 characters", "a line"),
    "only blank lines": ("\n \n\n", 1, "it is empty", "t_s,illumination"),
    "no header": ("0,1\n10,1\n", 1, "numbers; expected the names", "add a line above"),
    "semicolons": ("t_s;soc\n0;0,5\n", 1, "semicolons", "decimals by points"),
    "sep=": ("sep=,\nt_s,soc\n0,1\n", 1, "for spreadsheets", "remove it"),
    "semicolons below commas": ("t_s,soc\n0;1\n", 2, "separated by semicolons", "commas"),
    "decimal commas": ("t_s,soc\n0,1\n10,0,0,5\n", 3, "commas for decimals", "with points"),
    "empty cell": ("t_s,soc,bus_v\n0,,28\n", 2, "there is no value", "a profile has no gaps"),
    "decimal comma in quotes": ('t_s,soc\n"0","0,5"\n', 2, "`0,5` is not a number", "write 0.5"),
    "thousands": ('t_s,soc\n"1,000",1\n', 2, "`1,000`", "1000 if the comma separates"),
    "trailing comma": ("t_s,soc\n0,1,\n", 2, "a comma at the end makes an empty value", "remove"),
    "trailing comma in all lines": ("t_s,soc,\n0,1,\n", 1, "a column without a name", "every line"),
    "empty name": ("t_s,,soc\n0,1,1\n", 1, "a column has no name", "name it"),
    "ISO times": (
        "t_s,soc\n2026-03-20T00:00:00Z,1\n",
        2,
        "date or a time of day",
        "seconds from the start of the run",
    ),
    "time of day": ("t_s,soc\n00:00:10,1\n", 2, "date or a time of day", "seconds from the start"),
    "column utc": ("utc,soc\n2026-03-20T00:00:00Z,1\n", 1, "no column `utc`", "column `t_s`"),
    "column timestamp": ("timestamp,soc\n0,1\n", 1, "no column", "seconds from the start"),
    "column t_ms": ("t_ms,soc\n0,1\n", 1, "no column `t_ms`", "divide by 1000"),
    "column time [min]": ("time [min],soc\n0,1\n", 1, "no column", "multiply by 60"),
    "column Hours": ("Hours,soc\n0,1\n", 1, "no column", "multiply by 3600"),
    "column MJD": ("MJD,soc\n61000,1\n", 1, "no column", "x 86400"),
    "column time": ("time,soc\n0,1\n", 1, "no column `time`", "write `t_s`"),
    "unit in brackets": ("t_s,altitude_km [km]\n0,1\n", 1, "no column", "write `altitude_km`"),
    "unit in the name": ("t_s,altitude_m\n0,1\n", 1, "no column", "its values are in km"),
    "SPENVIS": ("'*',   78,    6,    2\n'EPS'\n", 1, "SPENVIS", "days x 86400"),
    "comment": ("# by me\nt_s,soc\n0,1\n", 1, "a comment", "remove"),
    "Fortran": ("t_s,soc\n0,1.0D+00\n", 2, "`1.0D+00` is not a number", "write 1.0e+00"),
    "underscore": ("t_s,soc\n10_000,1\n", 2, "`10_000`", "write 10000"),
    "apostrophe": ("t_s,soc\n10'000,1\n", 2, "`10'000`", "write 10000"),
    "unit in the cell": ("t_s,bus_v\n0,28 V\n", 2, "`28 V` is not a number", "write 28;"),
    "per cent": ("t_s,soc\n0,5 %\n", 2, "`5 %` is not a number", "write 0.05"),
    "typographic minus": ("t_s,battery_w\n0,\u22125\n", 2, "is not a number", "write -5"),
    "other digits": ("t_s,soc\n0,\u0661\n", 2, "is not a number", "expected for example"),
    "NA": ("t_s,soc\n0,1\n10,NA\n", 3, "`NA` is not a valid value", "leave out the row"),
    "infinite": ("t_s,soc\n0,1\n10,inf\n", 3, "inf is not a finite number", "leave out the row"),
    "too large": ("t_s,soc\n0,1\n1e400,1\n", 3, "inf is not a finite number", "leave out"),
    "far times": ("t_s,soc\n-1e308,1\n1e308,1\n", 2, "out of range", "from the start of the run"),
    "same time twice": ("t_s,soc\n0,1\n10,1\n10,1\n", 4, "stands still", "each time once"),
    "long cell": ("t_s,soc\n0," + "x" * 500 + "\n", 2, "...` is not a number", "0.5"),
    "very many unknown columns": (
        "t_s," + ",".join(f"c{n}" for n in range(9000)) + "\n",
        1,
        "no column `c0`",
        "known are",
    ),
}


@pytest.mark.parametrize("case", CSV)
def test_what_is_no_profile_is_refused_at_its_line_with_what_to_do(
    tmp_path: Path, case: str
) -> None:
    content, line, message, remedy = CSV[case]
    told = refused(written(tmp_path, content))
    first = next(text for text in told.splitlines() if f":{line}:1: " in text)
    assert message in told and remedy in told, told
    assert first.index(f":{line}:1: ") < 300
    assert len(told) < 12_000


def test_no_more_than_twenty_mistakes_are_told(tmp_path: Path) -> None:
    told = refused(written(tmp_path, "t_s," + ",".join(f"c{n}" for n in range(9000)) + "\n"))
    assert told.startswith("20 problems:")


@pytest.mark.parametrize(
    "content",
    [
        "t_s,soc\r\n0,1\r\n10,0.5\r\n",
        "t_s,soc\r0,1\r10,0.5\r",
        "\ufefft_s,soc\n0,1\n10,0.5",
        "\n\n t_s , soc \n0, 1\n\n10 ,0.5\n \n",
        '"t_s","soc"\n"0","1"\n"1e1",".5"\n',
        "t_s,soc\n0,1\n,\n10,+0.5\n",
    ],
    ids=["CRLF", "CR", "BOM", "blanks", "quotes", "empty rows of a spreadsheet"],
)
def test_every_way_to_write_csv_is_read(tmp_path: Path, content: str) -> None:
    profile = read_profile(written(tmp_path, content))
    assert profile.t_s.tolist() == [0.0, 10.0]
    assert profile.at("soc", np.array([10.0])).tolist() == [0.5]


# --- gaps -----------------------------------------------------------------------------------------


def at_times(folder: Path, times: list[float]) -> Path:
    return written(folder, "t_s,soc\n" + "".join(f"{t!r},1\n" for t in times))


def test_rows_dense_around_events_are_no_gaps_elsewhere(tmp_path: Path) -> None:
    day = sorted(
        {
            *range(0, 86401, 60),
            *(
                t
                for at in range(3000, 86000, 5580)
                for t in (*range(at, at + 20), *range(at + 200, at + 220))
            ),
        }
    )
    assert len(read_profile(at_times(tmp_path, [float(t) for t in day])).t_s) == len(day)


def test_most_rows_may_be_dense(tmp_path: Path) -> None:
    times = [*range(0, 600, 60), *range(600, 2000), *range(2000, 3000, 60)]
    assert len(read_profile(at_times(tmp_path, [float(t) for t in times])).t_s) == len(times)


def test_steps_may_grow(tmp_path: Path) -> None:
    times = [0.0, *(1.5**n for n in range(40))]
    assert len(read_profile(at_times(tmp_path, times)).t_s) == 41


@pytest.mark.parametrize("lost", [range(50, 53), range(50, 95), range(1, 5), range(97, 100)])
def test_lost_rows_are_a_gap(tmp_path: Path, lost: range) -> None:
    told = refused(at_times(tmp_path, [float(t) for t in range(101) if t not in lost]))
    assert f"a gap from {lost.start - 1} s to {lost.stop} s" in told and "max_gap_s" in told


def test_two_gaps_with_one_row_between_are_gaps(tmp_path: Path) -> None:
    times = [float(t) for t in (*range(50), 80, *range(110, 160))]
    assert "a gap from 49 s to 80 s, where the rows around are 1 s apart" in refused(
        at_times(tmp_path, times)
    )


def test_max_gap_s_says_what_a_gap_is(tmp_path: Path) -> None:
    times = [float(t) for t in (*range(50), 80, *range(110, 160))]
    path = at_times(tmp_path, times)
    assert len(read_profile(path, 31.0).t_s) == len(times)
    assert "where `max_gap_s` is 30.5" in refused(path, 30.5)
    assert "allow it with `max_gap_s: 31`" in refused(path)


@pytest.mark.parametrize("step", [1.0 / 3.0, 123456.7891234567, 1e-9 + 1.0])
def test_the_limit_that_is_offered_is_taken(tmp_path: Path, step: float) -> None:
    path = at_times(tmp_path, [0.0, 0.01, 0.02, 0.02 + step, 0.03 + step, 0.04 + step])
    offered = refused(path).split("`max_gap_s: ")[1].split("`")[0]
    assert len(read_profile(path, float(offered)).t_s) == 6


# --- what is no file ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p.csv", "p.npz"])
def test_folders_and_pipes_are_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert "not a regular file" in refused(tmp_path / name)
    (tmp_path / name).rmdir()
    os.mkfifo(tmp_path / name)
    assert "not a regular file" in refused(tmp_path / name)


def test_names_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / ("x" * 300 + ".csv"))
    assert "no such file" in refused(tmp_path / "none.csv")
    assert "neither .csv nor .npz" in refused(written(tmp_path, "t_s\n", "p.txt"))


# --- NPZ ------------------------------------------------------------------------------------------


def npz(**columns: object) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **columns)  # type: ignore[arg-type]
    return out.getvalue()


def npy(array: object) -> bytes:
    out = io.BytesIO()
    np.save(out, array)  # type: ignore[arg-type]
    return out.getvalue()


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in entries.items():
            archive.writestr(name.rstrip("+"), content)
    return out.getvalue()


T = np.arange(3.0)
GOOD = npz(t_s=T, soc=np.ones(3))


def with_header(header: str) -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def damaged(content: bytes, at: float) -> bytes:
    place = int(len(content) * at)
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


NPZ: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "text": (b"t_s,soc\n0,1\n", "it is not an npz file"),
    "a single array": (npy(T), "a single array (.npy)"),
    "a pickle": (b"\x80\x04]\x94.", "it is a pickle"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "cut": (GOOD[:-40], "it is damaged"),
    "damaged": (damaged(GOOD, 0.5), "it is damaged"),
    "a zip of text": (zipped({"t_s.txt": b"1"}), "an entry that is not an array"),
    "no array within": (zipped({"t_s.npy": b"1234"}), "it is damaged"),
    "a zip of nothing": (zipped({}), "the column `t_s` is missing"),
    "cut within": (zipped({"t_s.npy": npy(T)[:-8]}), "it is damaged"),
    "too long within": (zipped({"t_s.npy": npy(T) + b"1"}), "continues past its last value"),
    "twice": (zipped({"t_s.npy": npy(T), "t_s.npy+": npy(T)}), "listed twice"),
    "objects": (npz(t_s=T, soc=np.array([1, None, {}], dtype=object)), "of Python objects"),
    "text within": (npz(t_s=T, soc=np.array(["a", "b", "c"])), "an array of text"),
    "complex": (npz(t_s=T + 1j), "an array of complex numbers"),
    "records": (npz(t_s=np.zeros(3, dtype=[("a", "f8")])), "an array of records"),
    "dates": (npz(t_s=np.array(["2026-01-01"] * 3, dtype="datetime64[s]")), "numpy.timedelta64"),
    "two dimensions": (npz(t_s=T, soc=np.ones((3, 1))), "its shape is (3, 1)"),
    "no dimension": (npz(t_s=3.0), "its shape is ()"),
    "different lengths": (npz(t_s=T, soc=np.ones(2)), "differ in length: t_s 3, soc 2"),
    "huge": (
        zipped(
            {
                "t_s.npy": with_header(
                    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }\n"
                )
            }
        ),
        "ends before its last value",
    ),
    "huge beyond all": (
        zipped(
            {
                "t_s.npy": with_header(
                    "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 40 + ",), }\n"
                )
            }
        ),
        "ends before its last value",
    ),
    "negative": (
        zipped(
            {"t_s.npy": with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }\n")}
        ),
        "it is damaged",
    ),
    "a bad header": (zipped({"t_s.npy": with_header("{'descr': '<f8'")}), "it is damaged"),
    "a deep header": (zipped({"t_s.npy": with_header("(" * 5000)}), "it is damaged"),
    "not finite": (npz(t_s=T, soc=np.array([1, np.nan, 1])), "(row 1)"),
    "unknown": (npz(t_s=T, speed=T), "no column `speed`"),
    "backwards": (npz(t_s=T[::-1]), "time runs backwards"),
}


@pytest.mark.parametrize("case", NPZ)
def test_what_is_no_npz_of_numbers_is_refused(tmp_path: Path, case: str) -> None:
    content, words = NPZ[case]
    told = refused(written(tmp_path, content, "p.npz"))
    assert words in told, told
    assert "; " in told, "what to do"


@pytest.mark.parametrize("kind", ["f4", ">f8", "i2", "u8", "?", "f2"])
def test_numbers_of_every_type_are_read(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, npz(t_s=T, soc=np.ones(3).astype(kind)), "p.npz")
    assert read_profile(path).at("soc", T).tolist() == [1.0, 1.0, 1.0]


def test_every_compression_that_is_installed_is_read(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        content = zipped({"t_s.npy": npy(T), "soc.npy": npy(np.ones(3))}, method)
        assert len(read_profile(written(tmp_path, content, "p.npz")).t_s) == 3
        for at in (0.05, 0.2, 0.3):
            hurt = written(tmp_path, damaged(content, at), "p.npz")
            assert isinstance(_outcome(hurt), (Profile, ConfigError))


# --- whatever stands in a file --------------------------------------------------------------------


def _outcome(path: Path) -> Profile | ConfigError:
    """What comes of a file; any other exception is a failure of the test."""
    try:
        return read_profile(path)
    except ConfigError as error:
        found = error
    assert all(p.file == str(path) and p.line >= 1 and p.message for p in found.problems)
    return found


_SPICE = (
    b'"',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\x1b[31m",
    b"nan",
    b"inf",
    b"-",
    b"1e999",
    b"\xff",
    b"\xef\xbb\xbf",
    b"t_s",
    b"'",
    b"\t",
    b"2026-01-01T00:00:00Z",
    b"1_0",
    b"0x1p3",
    b" ",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\x93NUMPY",
    b"|O",
    b"<U9",
    b"(",
    b"}",
)


def _mutated(content: bytes, draw: random.Random) -> bytes:
    hurt = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5, 30))):
        at = draw.randrange(len(hurt) + 1)
        kind = draw.randrange(6)
        if kind == 0 and at < len(hurt):
            hurt[at] ^= 1 << draw.randrange(8)
        elif kind == 1 and at < len(hurt):
            hurt[at] = draw.randrange(256)
        elif kind == 2:
            hurt[at:at] = draw.choice(_SPICE)
        elif kind == 3:
            del hurt[at : at + draw.choice((1, 1, 2, 9, 200))]
        elif kind == 4:
            piece = hurt[at : at + draw.randrange(1, 60)]
            other = draw.randrange(len(hurt) + 1)
            hurt[other:other] = piece
        else:
            del hurt[at:]
    return bytes(hurt)


def _seeds() -> dict[str, list[bytes]]:
    wide = {"t_s": np.arange(20.0), "soc": np.linspace(0, 1, 20), "level.a": np.full(20, 3.0)}
    text = "t_s,soc,level.a\n" + "".join(f"{t},{t / 20},3\n" for t in range(20))
    stored = io.BytesIO()
    np.savez(stored, **wide)  # type: ignore[arg-type]
    return {
        "p.csv": [
            text.encode(),
            text.replace("\n", "\r\n").encode("utf-8-sig"),
            text.replace("0.", '"0.').replace(",3", '",3').encode(),
        ],
        "p.npz": [
            npz(**wide),
            stored.getvalue(),
            zipped({f"{n}.npy": npy(v) for n, v in wide.items()}, zipfile.ZIP_LZMA),
        ],
    }


def _fuzz(folder: Path, count: int, seed: int) -> dict[str, int]:
    draw = random.Random(seed)
    seeds = _seeds()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(count):
        name = draw.choice(("p.csv", "p.npz"))
        content = _mutated(draw.choice(seeds[name]), draw)
        path = written(folder, content, name)
        try:
            found = _outcome(path)
        except BaseException:
            (folder / f"failing-{seed}{path.suffix}").write_bytes(content)
            raise
        outcomes["read" if isinstance(found, Profile) else "refused"] += 1
    return outcomes


@pytest.mark.slow
def test_damaged_files_are_profiles_or_configuration_errors(tmp_path: Path) -> None:
    found = _fuzz(tmp_path, 3000, seed=9)
    assert found["refused"] > 1500 and found["read"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_many_damaged_files_are_profiles_or_configuration_errors(tmp_path: Path, seed: int) -> None:
    assert _fuzz(tmp_path, 15_000, seed)["refused"] > 5000


def test_what_is_good_stays_good(tmp_path: Path) -> None:
    for name, contents in _seeds().items():
        for content in contents:
            assert len(read_profile(written(tmp_path, content, name)).t_s) == 20


@pytest.mark.slow
def test_a_long_file_takes_the_room_of_its_numbers(tmp_path: Path) -> None:
    """They are kept as numbers while they are read, not as texts."""
    path = tmp_path / "p.csv"
    path.write_text("t_s,soc\n" + "".join(f"{t},0.5\n" for t in range(30_000)))
    tracemalloc.start()
    assert len(read_profile(path).t_s) == 30_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000 * 2 * 8 * 5


@pytest.mark.parametrize(
    "name", ["a\\0b.csv", "x" * 300 + ".csv", "x/" * 3000, "", "..", "/dev/zero"]
)
def test_a_scenario_with_a_name_that_is_none_is_refused_at_its_line(
    tmp_path: Path, name: str
) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "workload: attitude\nframes: 10\nrig: {scheme: simplex, profile: raspberry-pi-4b}\n"
        f'plant: {{profile: "{name}"}}\n'
    )
    found = check(str(scenario))
    assert found.problems and all(p.line for p in found.problems)
