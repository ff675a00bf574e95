"""The rig: links, boards, nodes, and the frame-synchronised exchange with them.

It sends requests to boards and carries out repairs; it decides nothing (`hil.redundancy.voting` and
`hil.redundancy.recovery` do) and records nothing.
"""
