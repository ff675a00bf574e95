"""`hil compare`: two campaigns beside each other, what the counts of one come to, and redundancy
schemes."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.compare_options import (
    First,
    Orbit,
    OrbitProfile,
    Runs,
    SchemeBoards,
    SchemeFrames,
    SchemeNames,
    SchemePicture,
    Second,
    SweptOver,
    Top,
)
from hil.cli.compare_schemes import SchemeOrder, compare_schemes
from hil.cli.options import Json
from hil.cli.outlook import Outlook, OutlookOptions, flown_rates, outlook_of
from hil.cli.output import answer, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hil.analysis.comparison import Comparison
    from hil.analysis.sample_comparison import SampleComparison
    from hil.json_values import JsonValue
    from hil.record.campaign_file import CampaignFile
    from hil.views.style import Glyphs

__all__ = ["HELP", "compare"]

_WIDTH: Final = 100

HELP: Final = (
    "Compare two campaigns: which program has more failures, how many, and where.\n\n"
    "What counts are absolute numbers of faults, not percentages: a larger program has more "
    "faults. Campaigns that had the same faults are also compared fault by fault (McNemar's exact "
    "test).\n\n"
    "Of one campaign, or of both: what protecting the worst places would buy (--protect), "
    "vulnerability factors (--factors), and failures in orbit (--orbit).\n\n"
    "With --schemes, A is a scenario: it is run with each redundancy scheme, with the same seeds, "
    "orbit and workload, and what they achieve is compared; with --over, for each value of a key."
)


def compare(  # noqa: PLR0913, PLR0917  (every option is one)
    a: First,
    b: Second = None,
    top: Top = 5,
    protect: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="What protecting the worst bytes of these targets would buy; all.",
            autocompletion=completion.target_lists,
        ),
    ] = None,
    factors: Annotated[
        bool, typer.Option("--factors", help="AVF, program and parameter vulnerability factor.")
    ] = False,
    orbit: Orbit = None,
    profile: OrbitProfile = None,
    duty: Annotated[
        float | None,
        typer.Option(metavar="X", help="In orbit: share of the time that the step runs, 0 to 1."),
    ] = None,
    schemes: SchemeNames = None,
    over: SweptOver = None,
    runs: Runs = None,
    boards: SchemeBoards = None,
    frames: SchemeFrames = None,
    picture: SchemePicture = None,
    as_json: Json = False,
) -> int:
    """Compare two campaigns, or redundancy schemes (see `HELP`)."""
    options = OutlookOptions(protect, factors, orbit, profile, duty)
    if schemes is not None:
        if b is not None or options.wanted:
            raise UsageError(
                "--schemes compares runs of one scenario, not campaigns",
                remedy=f"hil compare {a} --schemes {schemes}",
            )
        order = SchemeOrder(schemes, over, runs=runs, boards=boards, frames=frames, output=picture)
        compare_schemes(str(a), order, as_json=as_json)
        return Exit.PASS
    if not all(option is None for option in (over, runs, boards, frames, picture)):
        raise UsageError(
            "--over, --runs, --boards, --frames and --out are for schemes",
            remedy=f"hil compare {a} --schemes simplex,dmr,tmr",
        )
    if top < 0:
        raise UsageError(f"--top {top} is not a number of places", remedy="name one from 0 on")
    if not options.wanted and b is None:
        raise UsageError(
            f"compare {a} with what?", remedy=f"hil compare {a} B.campaign, or --protect all"
        )
    _compare_campaigns([a] if b is None else [a, b], top, options, as_json=as_json)
    return Exit.PASS


def _compare_campaigns(
    paths: list[Path], top: int, options: OutlookOptions, *, as_json: bool
) -> None:
    """Compare two campaigns, or look at one; print the result."""
    from hil.analysis.whole_campaign import require_whole
    from hil.record.campaign_file import CampaignFile

    with ExitStack() as stack:
        files = [stack.enter_context(CampaignFile(path)) for path in paths]
        for file in files:
            require_whole(file)
        comparison = _compared(files[0], files[1], top) if len(files) > 1 else None
        rates = flown_rates(options)
        outlooks = [outlook_of(f, options, rates) for f in files] if options.wanted else []
    if as_json:
        answer(_document(paths, comparison, outlooks))
    else:
        show(lambda glyphs: _report(paths, comparison, outlooks, glyphs), width=_WIDTH)


def _compared(a: CampaignFile, b: CampaignFile, top: int) -> Comparison | SampleComparison:
    from hil.analysis.comparison import compare as compare_exact
    from hil.analysis.sample_comparison import compare_samples

    if not set(a.meta.targets) & set(b.meta.targets):
        raise UsageError(
            f"{a.path} and {b.path} have no target in common",
            remedy="give both campaigns the same --targets",
        )
    if a.meta.sampling is None and b.meta.sampling is None:
        return compare_exact(a, b, top)
    return compare_samples(a, b)


def _document(
    paths: list[Path], comparison: Comparison | SampleComparison | None, outlooks: list[Outlook]
) -> dict[str, JsonValue]:
    if comparison is None:
        return {"result": str(paths[0]), **outlooks[0].as_json()}
    document = dict(comparison.as_json())
    if outlooks:
        named = zip(("a", "b"), outlooks, strict=True)
        document["outlook"] = {name: outlook.as_json() for name, outlook in named}
    return document


def _report(
    paths: list[Path],
    comparison: Comparison | SampleComparison | None,
    outlooks: list[Outlook],
    glyphs: Glyphs,
) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from hil.analysis.comparison import Comparison
    from hil.views.campaign_comparison import comparison_report, sample_comparison_report
    from hil.views.style import HEAD

    if comparison is None:
        return outlooks[0].report(glyphs)
    parts: list[RenderableType] = []
    if isinstance(comparison, Comparison):
        parts.append(comparison_report(comparison, glyphs))
    else:
        parts.append(sample_comparison_report(comparison, glyphs))
    for name, path, outlook in zip("AB", paths, outlooks, strict=False):
        heading = Text(f"{name}  {path.name}", style=HEAD)
        parts += [Text(""), heading, Text(""), outlook.report(glyphs)]
    return Group(*parts)
