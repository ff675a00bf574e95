"""How the injected upsets of a run are counted by what they did."""

from __future__ import annotations

from hil.engine.metrics import upset_counts


def test_an_upset_whose_effect_no_frame_has_shown_is_not_counted_as_masked() -> None:
    """As of a board that did not answer any more when it was hit, until the run ended."""
    kinds = [
        ("injected", True, "board-ram", "masked", "no_effect", "", 477),
        ("injected", True, "board-ram", "hang", "degraded", "", 1),
        ("injected", True, "board-ram", "", "degraded", "", 4),
        ("refused", False, "board-ram", "", "", "", 9),
    ]
    counts = upset_counts(kinds, 0, 0)
    effects = {effect: count for effect, count in counts.by_node_effect.items() if count}
    assert effects == {"masked": 477, "hang": 1, "unknown": 4}
    assert counts.by_system_outcome["degraded"] == 5 and counts.not_injected == 9
    assert counts.injected == sum(effects.values())
