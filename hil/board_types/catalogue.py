"""Finds and reads board profiles: the shipped ones by name, others by path."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from pydantic import ValidationError

from hil import assets
from hil.board_types.profile import PROFILE_SCHEMA_VERSION, BoardProfile
from hil.board_types.profile_upgrade import upgraded
from hil.errors import ConfigError, Problem, UsageError
from hil.scenario import RigConfig, Scenario
from hil.scenario.load import UNPLACED
from hil.scenario.problems import did_you_mean, refuse_newer_schema, translate
from hil.scenario.yaml.document import Document
from hil.scenario.yaml.reader import FileKind, parse_yaml, read_yaml

__all__ = [
    "check_board_profiles",
    "list_board_profiles",
    "load_board_profile",
    "parse_board_profile",
    "profile_of_model",
    "profiles_of",
]

_FILE = FileKind(
    f"schema: {PROFILE_SCHEMA_VERSION}",
    "copy the nearest shipped profile (`hil board list`) and change its values",
)


def list_board_profiles() -> tuple[str, ...]:
    """Return the names of all shipped profiles, sorted.

    Raises:
        SetupError: No profiles are installed.
    """
    return tuple(sorted(path.stem for path in assets.boards_dir().glob("*.yaml")))


def profile_of_model(model: str) -> BoardProfile | None:
    """Return the shipped profile of a board whose device tree states `model`; None if there is
    none.
    """
    return next((p for title, p in _shipped_by_title() if model.startswith(title)), None)


@functools.cache
def _shipped_by_title() -> tuple[tuple[str, BoardProfile], ...]:
    """Return all shipped profiles, each after the beginning of its board's model."""
    profiles = [load_board_profile(name) for name in list_board_profiles()]
    return tuple((re.sub(r" \d+GB$", "", profile.title), profile) for profile in profiles)


def load_board_profile(name_or_path: str | Path) -> BoardProfile:
    """Load the profile in a file, or the shipped one of that name.

    Raises:
        UsageError: There is no such profile.
        ConfigError: The profile is not valid; names everything that is wrong in it.
        SetupError: A name is given and no profiles are installed.
    """
    text = os.fspath(name_or_path)
    is_path = isinstance(name_or_path, Path) or os.sep in text or text.endswith((".yaml", ".yml"))
    if is_path:
        return _profile_of(read_yaml(Path(text), _FILE))
    names = list_board_profiles()
    if text not in names:
        hint = did_you_mean(text, names)
        raise UsageError(
            f"there is no board profile `{text[:80]}`; shipped are {', '.join(names)}",
            remedy=(f"{hint} " if hint else "") + "A profile of your own is named by its path",
        )
    return _profile_of(read_yaml(assets.boards_dir() / f"{text}.yaml"))


def profiles_of(scenario: Scenario) -> dict[str, BoardProfile]:
    """Return the profiles of a scenario's nodes, by the names that the scenario gives them.

    Raises:
        ConfigError: Profiles do not exist or are not valid; names all of them.
    """
    profiles: dict[str, BoardProfile] = {}
    missing: dict[str, tuple[Problem, ...]] = {}
    for index, node in enumerate(scenario.rig.nodes):
        own = node.profile is not None
        name = node.profile if node.profile is not None else scenario.rig.profile
        if name in profiles or name in missing:
            continue
        try:
            profiles[name] = load_board_profile(name)
        except UsageError as error:
            where = f"$.rig.nodes.{index}.profile" if own else "$.rig.profile"
            missing[name] = (Problem(UNPLACED, 0, 0, where, error.message, error.remedy or ""),)
        except ConfigError as error:
            missing[name] = error.problems
    if missing:
        raise ConfigError([problem for problems in missing.values() for problem in problems])
    return profiles


def check_board_profiles(scenario: Scenario) -> None:
    """Check the board profiles that a scenario names, also where its run needs none of them.

    Raises:
        ConfigError: Profiles do not exist or are not valid.
    """
    usual = RigConfig.model_fields["profile"].default
    named = {scenario.rig.profile, *(node.profile for node in scenario.rig.nodes)}
    if named - {usual, None}:
        profiles_of(scenario)


def parse_board_profile(text: str, *, file: str = "<board profile>") -> BoardProfile:
    """Return the profile in `text`; `file` names it in errors.

    Raises:
        ConfigError: The profile is not valid.
    """
    return _profile_of(parse_yaml(text.encode("utf-8", "surrogatepass"), file))


def _profile_of(document: Document) -> BoardProfile:
    refuse_newer_schema(document, PROFILE_SCHEMA_VERSION, "board profile")
    problems = list(document.problems)
    try:
        profile = BoardProfile.model_validate(upgraded(document.data))
    except ValidationError as error:
        problems += translate(error, BoardProfile, document)
    else:
        stem = Path(document.file).stem
        is_file = re.fullmatch(r"[a-z0-9-]+", stem) is not None
        if is_file and profile.name != stem:
            problems.append(
                document.problem(
                    ("name",),
                    f"the profile is named `{profile.name}`, its file `{stem}`",
                    "give both the same name",
                )
            )
    if problems:
        raise ConfigError(dict.fromkeys(sorted(problems, key=lambda p: (p.line, p.column))))
    return profile
