"""The rig: links, boards, nodes, and the frame-synchronised exchange with them.

It sends requests to boards and carries out repairs; it decides nothing (`hil.redundancy.voting` and
`hil.redundancy.recovery` do) and records nothing.

rig, node            all nodes of a run, and one node with its board and link
board_kinds          the boards of a rig, of the kind that a scenario or a bench names
backends, emulated   the boards: in this process, programs, serial ports; a machine in QEMU
power                instruments that switch and measure a board's supply
discovery            which boards answer, and at which ports
requests, calls, exchange, resync    one request to a node; a step on all; a state to a node
link, transport, line_rate, reconnect    a link, its port, its rate, how it is found again
bringup, agent_setup, program, guardian  how an agent begins, and who ends it
"""
