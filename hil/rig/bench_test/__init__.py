"""The test of a bench: each board's link and supply, without a run (`hil bench test`).

bench_tester        the test as a whole
link_check, power_check    its two halves
board_links         the links of the boards under test
link_measurement, link_watch    what is measured of a link; all links while power is switched
root_check          whether the root file systems of boards survive power cuts
power_cycle, switched_outputs    one board's power off and on; outputs are given back as they were
diagnosis, duplicates, power_findings, wording    the faults that are found, and their words
bench_update        writes what was measured into the bench file
"""
