"""`hil replay`: plays, lists or verifies a recorded run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli.options import Ascii, Json, RunFolder
from hil.cli.output import answer, has_screen, say, show
from hil.cli.record import must_be_run, opened, show_summary
from hil.cli.watch import on_screen
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.record.reader import Reader

__all__ = ["HELP", "replay"]

_ALL_FRAMES: Final = (0, 2**62)

HELP: Final = (
    "Look at a recorded run: play it on the screen, list the frames that were more than agreement, "
    "or verify it.\n\n"
    "With --verify every frame is voted again from the recorded ballots, and everything in the "
    "record is compared with it: exit 0 if nothing differs, 1 if something does."
)


def replay(  # noqa: PLR0917  (every option is one)
    run_folder: RunFolder,
    verify: Annotated[
        bool, typer.Option("--verify", help="Vote every frame again, and compare everything.")
    ] = False,
    frames: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Only these frames, both ends included, with all values."),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="The summary that was shown at its end.")
    ] = False,
    no_tui: Annotated[bool, typer.Option("--no-tui", help="A list instead of the player.")] = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
) -> int:
    """Play, list or verify a recorded run."""
    if verify + summary + (frames is not None) > 1:
        raise UsageError("--verify, --summary and --frames exclude each other")
    span = _span(frames)
    if not (verify or summary or no_tui or as_json or frames is not None) and has_screen():
        must_be_run(run_folder)
        return on_screen([run_folder], replay=True, ascii_only=ascii_only)
    with opened(run_folder) as reader:
        if summary:
            return _again(reader, as_json=as_json)
        if verify:
            return _verify(reader, as_json=as_json)
        return _list(reader, span, as_json=as_json)


def _span(text: str | None) -> tuple[int, int]:
    """Return the first and last frame of `100:200`, `100:`, `:200` or `100`. Raises: UsageError."""
    if text is None:
        return _ALL_FRAMES
    first, colon, last = text.partition(":")
    try:
        low = int(first) if first else 0
        high = int(last) if last else _ALL_FRAMES[1] if colon else low
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high <= _ALL_FRAMES[1]:
        raise UsageError(f"`{text}` is not a valid range of frames", remedy="--frames 100:200")
    return low, high


def _again(reader: Reader, *, as_json: bool) -> int:
    from hil.verification.recorded_run import result_of

    result = result_of(reader)
    if as_json:
        answer(result.as_answer())
    else:
        show_summary(reader, result)
    return Exit.PASS


def _list(reader: Reader, span: tuple[int, int], *, as_json: bool) -> int:
    from hil.record.row_counts import packed_frames
    from hil.record.text_outcomes import recorded_texts
    from hil.verification.recorded_run import campaign_mode
    from hil.views import listing
    from hil.views.frame_listing import frame_values, values_listing
    from hil.views.style import plural
    from hil.views.text_listing import text_answer, text_listing

    moments = list(listing.moments(reader, *span))
    mode = campaign_mode(reader)
    texts = recorded_texts(reader)
    some = span != _ALL_FRAMES
    values = frame_values(reader, *span).frames if some else ()
    if as_json:
        inside = {value.frame: value.as_json() for value in values}
        answer(
            {
                "run_dir": str(reader.path.parent),
                "outcome": reader.meta.get("outcome"),
                "campaign_mode": mode,
                "frames": [{**m.as_json(), **inside.get(m.frame, {})} for m in moments],
                **({} if texts is None else text_answer(reader, texts, span)),
            }
        )
        return Exit.PASS
    if moments:
        show(lambda glyphs: listing.table(moments, glyphs), width=200)
    if values:
        show(lambda glyphs: values_listing(values, glyphs), width=200)
    if texts is not None:
        show(lambda glyphs: text_listing(texts, span, glyphs))
    total = packed_frames(reader)
    where = "in these" if some else f"of {total:,}"
    say(f"{plural(len(moments), 'notable frame')} {where}; in all others all nodes agreed")
    if mode:
        say(f"a campaign's mode: {mode}")
    return Exit.PASS


def _verify(reader: Reader, *, as_json: bool) -> int:
    from hil.verification.replay import verify
    from hil.views import tables

    verification = verify(reader)
    if as_json:
        answer({"run_dir": str(reader.path.parent), **verification.as_json()})
    else:
        name = str(reader.path.parent)
        show(lambda glyphs: tables.verification(verification, name, glyphs))
    return Exit.PASS if verification.ok else Exit.FAIL
