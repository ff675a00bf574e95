"""The rig: links, boards, nodes, and the frame-synchronised exchange with them.

Knows how to talk to boards and how to repair them when told to; decides nothing (that is
`hil.redundancy.voting` and `hil.redundancy.recovery`) and records nothing.
"""
