"""A check that a result file has all experiments of its campaign: counts and shares of a part are
not those of the whole."""

from __future__ import annotations

from hil.errors import UsageError
from hil.record.campaign_file import CampaignFile

__all__ = ["require_whole"]


def require_whole(file: CampaignFile) -> None:
    """Check that no other part of the campaign has experiments that `file` lacks. Raises:
    UsageError if one has; RecordError."""
    meta = file.meta
    present = file.class_count() if meta.sampling is None else file.sample_count()
    if present < meta.classes:
        raise UsageError(
            f"{file.path} is a part of a campaign: it has {present:,} of "
            f"{meta.classes:,} {'classes' if meta.sampling is None else 'samples'}",
            remedy="put its parts together first: hil campaign A --merge B --out C",
        )
