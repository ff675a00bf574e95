"""Campaigns: what upsets of a step come to, counted instead of estimated.

exact_campaign      a campaign from beginning to end: boards, plan, experiments, result file
exact, controls     the experiments on one board; before them, hits whose effects are certain
bench, held_step    the boards of a campaign, and one that holds a step for experiments
regions             the targets
trace               the registers before each instruction of a step
disassembler, decode_x86, decode_a64, instruction    what each instruction touches
symbols, step_rows  functions and source lines; what the result says of the step itself
def_use, plan, analysis    the classes of faults that do the same, and the experiments for them

Results are in `hil.record`: the journal of a campaign, and its file."""
