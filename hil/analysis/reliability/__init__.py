"""Models of reliability: what theory says of a redundancy scheme, each with source and assumptions.

markov              continuous Markov chains: distribution, reliability, mean time to failure
majority            voting without repair: TMR, N nodes, K of N, imperfect voters, common causes
repair              voting with repair: mean times to failure, coverage, repair at the end of frames
spares              hot and cold spares, and the coverage of the switch to them
scrubbing           words with SECDED that are scrubbed: word failures, memories, scrub intervals
checkpoint_interval    the cost of checkpoints and of computing again: Young, Daly
persistence         how many faults a node may have before it is excluded
fault_tree          minimal cut sets and exact probabilities of fault trees

Rates and times may have any unit, the same for all arguments of a call. Pure."""
