"""Redundancy: which output is delivered, by the rules of the scheme, and how a node is recovered.

voting        one frame's verdict, from the answers of all nodes
electorate    the scheme: which nodes vote, and what is delivered without a majority
field_vote    the vote on one field of the output, and its memory
value_vote    one frame's verdict by the values of all fields
byzantine     replicas of the voter with views of their own, and the exchange between them
observation   what one frame's result shows of one node
pairs         self-checking pairs: which of them speak, and decide
checked_vote, checked_tally    whether a doer's result is accepted by its checkers, and how often
primary       a primary with monitors: who commands, and when monitors take it over
orbit_scheme  how many nodes are wanted along the orbit
rotation      nodes that rest in turn, to save energy
spares        nodes beyond those that decide
schemes       the scheme of a rig, from its scenario
time_redundancy          executions of the same step, compared
cold_start    how the rig comes back when no node was in service
recovery      the states of a node, and the repair that follows from an observation
hold          the output that is held while there is no majority
checkpoints, rollback    saved states, and the return to one of them

Nothing here writes a record; only checkpoints and rollback send requests to boards."""
