"""Upsets from plan to outcome.

planner            which upsets are injected in which frame
injection          injects them on the rig
power_cuts, checkpoint_watch    parts of that: boards switched off, and what SECDED detects
causes             which upsets can have caused what a node shows
outcome            the effect of each upset on its node, and its outcome for the system
effective_faults   how many upsets had an effect, and how many of those were covered
upset              the values: plan, report and assessment
limits, words      the ranges of what can be hit, and the stored words of kinds and outcomes"""
