"""`workload: mine.c`: a C file of the user in a scenario, and the digest of its text."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hil.errors import ConfigError
from hil.record.recorded_scenario import RecordedScenario
from hil.scenario import Scenario, load_scenario, parse_scenario, scenario_schema
from hil.scenario.c_workload import read_c_source

jsonschema = pytest.importorskip("jsonschema")

TEXT = "int x;\n"
SHA = hashlib.sha256(TEXT.encode()).hexdigest()


def written(folder: Path, workload: str, **files: str) -> Path:
    (folder / "mine.c").write_text(TEXT)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    path = folder / "s.yaml"
    path.write_text(f"workload: {workload}\nframes: 10\n")
    return path


@pytest.mark.parametrize("form", ["mine.c", "{c: mine.c}", f"{{c: ./mine.c, sha256: {SHA}}}"])
def test_both_forms_are_one_workload_and_its_digest_is_filled_in(tmp_path: Path, form: str) -> None:
    scenario = load_scenario(written(tmp_path, form))
    assert scenario.c_workload is not None
    assert scenario.c_workload.c == str(tmp_path / "mine.c")
    assert scenario.c_workload.sha256 == SHA
    assert scenario.workload_name == "mine"


def test_the_effective_scenario_is_valid_and_the_same(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, "mine.c"))
    dumped = json.loads(json.dumps(scenario.model_dump(mode="json", by_alias=True)))
    assert Scenario.model_validate(dumped) == scenario
    recorded = RecordedScenario.of(scenario)
    assert recorded.workload == "mine"
    assert recorded.validated() == scenario


def test_a_file_is_found_beside_the_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "mine.c")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_scenario(Path("../s.yaml")).c_workload == load_scenario(path).c_workload


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        ("none.c", "none.c: the C file of the workload cannot be read: No such file"),
        ("pipe.c", "pipe.c: it is not a regular file"),
        (
            "Mine.c",
            "s.yaml:1:11: $.workload: the text `Mine.c` is not the C file of a workload; expected",
        ),
        ("sixteen_letters_.c", "is not the C file of a workload"),
        ("sha256.c", "there is a workload `sha256` already; give the file another name"),
        ("exec.c", "there is a workload `exec` already"),
        (
            "{c: mine.h}",
            "s.yaml:1:15: $.workload.c: the text `mine.h` is not the C file of a workload",
        ),
        ("{c: 5}", "s.yaml:1:15: $.workload.c: the number 5; expected text"),
        ("{}", "$.workload.c: this key is missing"),
        ("{c: mine.c, d: 1}", "$.workload.d: unknown key; expected one of c, sha256"),
        ("{c: mine.c, sha256: abc}", "$.workload.sha256: the text `abc` is not a SHA-256"),
        (f"{{c: mine.c, sha256: {'0' * 63}a}}", "the file has changed, or one that it includes"),
        ("5", "s.yaml:1:11: $.workload: the number 5; expected one of infer"),
        ("[mine.c]", "$.workload: a list"),
        ("infr", "there is no workload `infr`; expected one of infer"),
    ],
)
def test_what_is_wrong_is_one_message(tmp_path: Path, workload: str, message: str) -> None:
    os.mkfifo(tmp_path / "pipe.c")
    with pytest.raises(ConfigError) as caught:
        load_scenario(written(tmp_path, workload))
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_c_file_is_no_program(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.c\nexec: {program: p}")
    with pytest.raises(ConfigError, match="does not run a program"):
        load_scenario(path)


# --- the digest -----------------------------------------------------------------------------------


def test_the_digest_is_that_of_sha256sum_over_the_files_that_are_included(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    texts = {
        "mine.c": '#include <string.h>\n#include "workload.h"\n# include "part/a.h"\n',
        "part/a.h": '#include "b.h"\n#include "../mine_table.inc"\n',
        "part/b.h": '#include "a.h"\n',
        "mine_table.inc": "1, 2\n",
        "part/not_included.h": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    source = read_c_source(tmp_path / "mine.c")
    names = sorted(texts.keys() - {"part/not_included.h"})
    assert sorted(name for name, _ in source.files) == names
    listing = subprocess.run(
        ["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert source.sha256 == hashlib.sha256(listing).hexdigest()
    (tmp_path / "mine_table.inc").write_text("1, 3\n")
    assert read_c_source(tmp_path / "mine.c").sha256 != source.sha256
    with pytest.raises(ConfigError, match="the file has changed"):
        read_c_source(tmp_path / "mine.c", source.sha256)


@pytest.mark.parametrize("name", ["../x.h", "/etc/x.h", "part/../../x.h"])
def test_a_file_from_elsewhere_is_refused_where_it_is_included(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.c").write_text(f'int x;\n#include "{name}"\n')
    with pytest.raises(ConfigError) as caught:
        read_c_source(tmp_path / "mine.c")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "mine.c"), 2)
    assert "is outside the folder of mine.c" in problem.message


# --- the schema -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workload", "valid"),
    [
        ("infer", True),
        ("exec", True),
        ("mine.c", True),
        ("a/b/mine.c", True),
        ({"c": "mine.c"}, True),
        ({"c": "mine.c", "sha256": SHA}, True),
        ("nothing", False),
        ("Mine.c", False),
        ({"d": "mine.c"}, False),
        (5, False),
    ],
)
def test_the_schema_knows_both_forms(workload: Any, valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(scenario_schema())
    errors = list(validator.iter_errors({"workload": workload, "frames": 1}))
    assert (errors == []) is valid


def test_a_text_alone_needs_no_file() -> None:
    scenario = parse_scenario("workload: mine.c\nframes: 1\n")
    assert scenario.workload_name == "mine"
