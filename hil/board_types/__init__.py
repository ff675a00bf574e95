"""The types of boards (`raspberry-pi-4`, ...): what their profiles say, and how an agent is built
for one and installed on it. How a board is attached is its kind: `hil.rig.board_kinds`.

profile, channels, cited     a board profile: its values, its cross-sections, the sources of both
spread, profile_upgrade      numbers with their range; profiles of an older schema
catalogue, profile_schema    finding and reading profiles, and the schema that editors check with
profile_summary              a profile in short, and its facts with their origins
supply_limits                the voltage of a supply, against the range of the profile
compilers                    a compiler of this computer for each processor
agent_build, agent_install   the agent: built for a board, and installed on one over ssh
workload_build, elf_symbols  a C file of the user: compiled, and what of it may not be
board_programs               the programs of `workload: exec` that are installed with it
board_survey                 what a board answers over ssh of its agent and file system
bench_install                the agents of all boards of a bench
"""
