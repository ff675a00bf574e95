"""The rig: links, boards, nodes, and the frame-synchronised exchange with them.

It sends requests to boards and carries out repairs; it decides nothing (`hil.redundancy.voting` and
`hil.redundancy.recovery` do) and records nothing.

rig, node           all nodes of a run, and one node with its board and link
board_kinds         the boards of a rig, of the kind that a scenario or a bench names
backends, emulated  packages: boards in this process, programs, serial ports; a machine in QEMU
power               a package: instruments that switch and measure a board's supply
console             a package: what boards print
discovery, bench_test    packages: which boards answer at which ports; the test of a bench

requests, calls, exchange    one request to a node; calls to several, and the wait for answers
series_call         requests to one node, of which the next waits there for the one before
resync              finds and replaces the chunks of a state that differ
link, link_state    frames over a transport, and the state of the connection
receiver_lines      the copies of replies for several voters, and faults of single ones
timing_faults       nodes with a wrong clock, slow ones, and ones that answer late
low_latency         an adapter's driver that passes on at once what arrives
transport, tcp_transport, agent_token    a port; that of an agent on TCP, and its token
port_lock, lock_file, reservation    exclusive use of ports, of anything, and of a bench
labgrid_place       ports and power switches of a labgrid coordinator
line_rate, clock_fit, capture    the rate of a line, the clock of a board, all bytes of a link
reconnect, absent_boards    the search for absent boards, and which ones are absent

bringup, agent_setup    opens ports and identifies agents; what every agent is sent
agent_image         what the agent of a node says that it runs from
calibration, step_count    what fault-free steps take, and how many instructions they have
pacer, background_call    the pace of a run, and calls that may take seconds
checked_golden              the golden runs of a doer and its checkers
program, program_options    user programs as workloads, and what they are given
program_regions     the memory that a program has named
onnx_program, program_sizes    the program that computes an ONNX model; the sizes of one
own_workload, workload_trial    a user's C file as the workload, and what it does wrong
program_end, program_words    how one ended, in words
golden_recording, recorded_run    boards that compute a golden run, and its file
offspring, guardian, pty_identity    programs that hil starts, and their ptys
pair_cores          the cores on which the software boards of self-checking pairs compute
host_kernel_log     the kernel log of this computer
processor_use, addresses    the CPU time of boards, and where they lie in memory
"""
