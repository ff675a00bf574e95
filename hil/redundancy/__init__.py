"""Redundancy: who is believed, by the written rules of the scheme, and how a node comes back.

voting        one frame's verdict, from the answers of all nodes
electorate    which nodes vote, and by which rule
observation   what the engine saw of one node in one frame
recovery      the states of a node, and the repair that follows from what was observed
hold          outputs that are held while there is no majority
checkpoints, rollback    saved states, and the return to one of them

Decides only: nothing here talks to a board or writes a record."""
