"""Redundancy: which output is delivered, by the rules of the scheme, and how a node is recovered.

voting        one frame's verdict, from the answers of all nodes
electorate    the scheme: which nodes vote, and what is delivered without a majority
observation   what one frame's result shows of one node
pairs         self-checking pairs: which of them speak, and decide
schemes       the scheme of a rig, from its scenario
time_redundancy          executions of the same step, compared
recovery      the states of a node, and the repair that follows from an observation
hold          the output that is held while there is no majority
checkpoints, rollback    saved states, and the return to one of them

Nothing here writes a record; only checkpoints and rollback send requests to boards."""
