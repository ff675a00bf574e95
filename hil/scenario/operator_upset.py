"""An upset that an operator injects during a run: an event without its frame."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from hil.errors import ConfigError
from hil.json_values import JsonKey
from hil.scenario.consistency import receiver_findings, upset_findings
from hil.scenario.model import Scenario
from hil.scenario.problems import translate
from hil.scenario.upsets import UpsetEventConfig
from hil.scenario.yaml.document import Document

__all__ = ["ordered_event"]


def ordered_event(keys: Sequence[JsonKey], scenario: Scenario, frame: int) -> UpsetEventConfig:
    """Return the event that the keys describe, as they would in a scenario, in `frame`.

    Raises:
        ConfigError: The event is not valid in this scenario; names everything that is wrong.
    """
    document = Document("inject", {})
    if any(key.name == "frame" for key in keys):
        problem = document.problem(
            ("frame",), "an ordered upset happens in the next frame", "remove it", at_key=True
        )
        raise ConfigError([problem])
    for key in (*keys, JsonKey("frame", frame)):
        document.replace((key.name,), key.document, "inject")
    try:
        event = UpsetEventConfig.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(translate(error, UpsetEventConfig, document)) from error
    boards = {node.name: node.board for node in scenario.rig.nodes}
    problems = [
        document.problem(path[3:], message, remedy)
        for path, message, remedy in (
            *upset_findings(None, None, boards, {0: event}, {}),
            *receiver_findings(scenario.rig, {0: event}),
        )
    ]
    if problems:
        raise ConfigError(problems)
    return event
