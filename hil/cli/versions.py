"""The versions that `hil --version` prints: of the release, its C kernel, the wire, the formats."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.json_values import JsonObject

__all__ = ["sentences", "versions"]


def versions() -> JsonObject:
    """Return every version of this installation, by what it is of.

    `package` is that of the installed distribution and None for sources that are not installed;
    `kernel` is compiled in, so the two differ where a kernel was not compiled again."""
    from importlib.metadata import PackageNotFoundError, version

    from hil.board_types.profile import PROFILE_SCHEMA_VERSION
    from hil.kernel import VERSION, WIRE_VERSION
    from hil.record.campaign_file import SCHEMA_VERSION as CAMPAIGN_SCHEMA_VERSION
    from hil.record.schema import SCHEMA_VERSION as RECORD_SCHEMA_VERSION
    from hil.report.evidence.document import FORMAT
    from hil.scenario import SCHEMA_VERSION
    from hil.scenario.bench import BENCH_SCHEMA_VERSION

    try:
        package: str | None = version("hil-flight")
    except PackageNotFoundError:
        package = None
    return {
        "package": package,
        "kernel": VERSION,
        "wire": WIRE_VERSION,
        "schemas": {
            "scenario": SCHEMA_VERSION,
            "bench": BENCH_SCHEMA_VERSION,
            "board": PROFILE_SCHEMA_VERSION,
            "record": RECORD_SCHEMA_VERSION,
            "campaign": CAMPAIGN_SCHEMA_VERSION,
            "evidence": FORMAT,
        },
    }


def sentences(of: JsonObject) -> str:
    """Return `versions()` as the lines of `hil --version`."""
    schemas = of["schemas"]
    assert isinstance(schemas, dict)
    formats = ", ".join(f"{name} {number}" for name, number in schemas.items())
    package = of["package"] or "not installed"
    return f"hil {package}\nkernel {of['kernel']}, wire {of['wire']}\nschemas: {formats}"
