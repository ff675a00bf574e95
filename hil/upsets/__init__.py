"""One upset from plan to outcome.

planner            which upsets happen in which frame
injection          carries them out on the rig; power_cuts and checkpoint_watch are parts of it
outcome            what each upset did to its node, and to the system
upset              the values: plan, report and assessment
limits, words      what there is to be hit, and the names of what is said of an upset"""
