"""Computes again whatever a finished record claims.

replay              votes every frame again
run_end             the reports of a run that failed
recorded_run        the result that a record states, or counts to
tally               counts the frames and rows of a run
value_ballots       votes frames again by the values of recorded outputs
replica_check       replicas of the voter vote on their views again
checked_ballots     checkers compare the results of a doer again
primary_check       who commanded in each frame of a rig with a primary
delivery            what was delivered without a vote
ending              the result, its expectations and reports, and the record digest
ground              what went to the ground, and when
findings            the differences
golden_run          the golden run to compare with
"""
