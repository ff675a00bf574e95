"""The evidence of a campaign, from its result file."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from hil.analysis.sample_summary import SampleSummary, sample_summary
from hil.json_values import JsonObject, JsonValue
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, CampaignMeta
from hil.record.campaign_summary import CampaignSummary, campaign_summary
from hil.record.console_files import file_digest
from hil.report.campaign_figures import by_function, figures_of
from hil.report.evidence.document import Counting, Evidence, outcomes
from hil.report.sample_figures import sample_figures
from hil.upsets.words import NodeEffect

__all__ = ["campaign_evidence"]

_WITH_STEPS: Final = 2


def campaign_evidence(file: CampaignFile) -> JsonObject:
    """Return the evidence of a result file. Raises: RecordError if it cannot be read."""
    meta = file.meta
    if meta.sampling is None:
        content = _exact_outcomes(file, campaign_summary(file))
    else:
        content = _sampled_outcomes(file, sample_summary(file))
    complete = not file.missing_ranges()
    return Evidence(
        kind="campaign",
        verdict={
            "outcome": "complete" if complete else "part",
            "complete": complete,
            "expectations": [],
            "not_covered": [] if complete else ["another part of the campaign has the rest"],
            "left_out": [],
        },
        subject={
            "workload": meta.workload,
            "scenario": meta.scenario,
            "scenario_sha256": meta.content or None,
            "redundancy": "simplex",
            "seed": meta.seed,
            "frames": 1 if meta.sampling is None else len(file.frames()),
        },
        images=_images(meta),
        fault_model=_fault_model(meta),
        boot_phase={
            "phase": "application",
            "what": "one step of the workload, after the board had booted",
            "first_frame": meta.frame,
            "last_frame": meta.frame if meta.sampling is None else _last_frame(file),
            "injected_during_boot": 0,
        },
        exposure={
            "simulated_s": None,
            "frames_computed": None,
            "frames_skipped": None,
            "orbit": None,
            "radiation": None,
            "plant": None,
        },
        outcomes=content,
        outputs=None,
        reproduce={
            "command": _command(meta),
            "digest": meta.plan,
            "reproducible": True,
            "why_not": "",
        },
        environment={
            "hil_version": meta.hil_version,
            "python": None,
            "system": None,
            "started_utc": None,
            "wire_version": None,
            "record_version": file.version,
        },
        record={"file": file.path.name, "digest": file_digest(file.path), "digest_of": "file"},
    ).as_json()


def _last_frame(file: CampaignFile) -> int:
    return max((row.frame for row in file.frames()), default=file.meta.frame)


def _images(meta: CampaignMeta) -> Sequence[JsonObject]:
    return [
        {
            "node": None,
            "board": meta.board,
            "arch": meta.arch,
            "model": None,
            "what": "path of the fault-free step",
            "version": meta.hil_version,
            "sha256": meta.path or None,
            "known": "of the program counters of the step, as they were recorded",
        },
        *(
            [
                {
                    "node": None,
                    "board": None,
                    "arch": None,
                    "model": f"{meta.workload}.c",
                    "what": "workload",
                    "version": None,
                    "sha256": meta.source_sha256,
                    "known": "of the file that the scenario names",
                }
            ]
            if meta.source_sha256
            else []
        ),
    ]


def _fault_model(meta: CampaignMeta) -> JsonObject:
    sampling: JsonValue = None
    if meta.sampling is not None:
        s = meta.sampling
        sampling = {"frames": s.frames, "draw": s.draw, "sizes": list(s.sizes)}
    return {
        "upsets": "single bits, flipped before one instruction or tick of a step",
        "injected_targets": list(meta.targets),
        "injected_kinds": ["bit"],
        "acceleration": None,
        "sampling": sampling,
        "instructions": meta.instructions,
    }


def _command(meta: CampaignMeta) -> str:
    """Return the command that carries the campaign out again; a list of faults is part of its
    page."""
    words = ["hil", "campaign", meta.source or meta.scenario]
    sampling = meta.sampling
    if sampling is None:
        words += ["--exact", "--frame", str(meta.frame)]
        words += ["--severity"] * meta.severity
        words += ["--follow", str(meta.follow)] if meta.follow else []
    elif sampling.draw is None:
        words += ["--sampled", "--faults", "faults.txt"]
    else:
        words += ["--sampled", "--frames", sampling.frames, "--seed", str(sampling.draw)]
        words += ["--confidence", f"{sampling.confidence:g}"]
        words += ["--proportional"] * sampling.in_proportion
        if sampling.precision is None:
            words += ["--samples", str(sampling.sizes[-1])]
        else:
            words += ["--precision", f"{sampling.precision:g}", "--outcome", sampling.outcome]
    return shlex.join([*words, "--targets", ",".join(meta.targets), "--boards", meta.board])


def _exact_outcomes(file: CampaignFile, summary: CampaignSummary) -> JsonObject:
    counting = Counting(exact=True)
    symbols: dict[str, JsonValue] = {}
    if file.version >= _WITH_STEPS:
        for group in by_function(figures_of(file)):
            counts = {e.value: int(n) for e, n in zip(EFFECTS, group.counts, strict=True)}
            symbols[group.name] = outcomes(counts, int(group.counts.sum()), counting)
    return {
        "counting": counting.as_json(),
        "all": outcomes(_named(summary.total.effects), summary.total.faults, counting),
        "by_target": {
            t.target: outcomes(_named(t.effects), t.faults, counting) for t in summary.targets
        },
        "by_symbol": symbols,
    }


def _sampled_outcomes(file: CampaignFile, summary: SampleSummary) -> JsonObject:
    counting = Counting(exact=False, confidence=summary.sampling.each)
    everything: dict[str, JsonValue] = {}
    for effect in EFFECTS:
        estimate = summary.total(effect)
        everything[effect.value] = {
            "count": sum(target.effects[effect] for target in summary.targets),
            "share": estimate.share,
            "interval": list(estimate.interval),
        }
    return {
        "counting": counting.as_json(),
        "all": {"faults": summary.samples, "effects": everything},
        "by_target": {
            t.target: outcomes(_named(t.effects), t.samples, counting) for t in summary.targets
        },
        "by_symbol": {
            group.name: outcomes(_named(group.effects), group.samples, counting)
            for group in sample_figures(file).functions
        },
    }


def _named(counts: Counter[NodeEffect] | Mapping[NodeEffect, int]) -> dict[str, int]:
    return {effect.value: counts.get(effect, 0) for effect in EFFECTS}
