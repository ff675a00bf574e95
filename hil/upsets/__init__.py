"""Upsets from plan to outcome.

planner            which upsets are injected in which frame
injection          injects them on the rig; power_cuts and checkpoint_watch are parts of it
outcome            the effect of each upset on its node, and its outcome for the system
upset              the values: plan, report and assessment
limits, words      the ranges of what can be hit, and the stored words of kinds and outcomes"""
