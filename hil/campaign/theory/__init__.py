"""Theory beside measurement: short runs of whole rigs, beside what a model of them predicts.

experiments         all experiments by name
order               what is asked of an experiment: how many runs, from which seed
trial               one short run, and what it showed
harm                the exact share of hits that do harm
missions            rigs without repair: TMR, five nodes
spare_missions      rigs with a cold spare, and with a hot one
rotation_missions    rigs of three boards, of which one rests
coverages           rigs with cold spares of whose failures only a share is detected
monitored_primaries    primaries with monitors that are more or less patient
frame_votes         rigs that are repaired after each frame
outages             boards that lose power for a while
scrubbed_words      checkpoints in SECDED memory
checkpoint_costs    the interval between checkpoints with the least overhead
persistence_counts    the number of faults after which a node is excluded
persistence_of      the model of it for a scenario, if the scenario keeps its assumptions

No number of a model is fitted: rates are those of the scenario, times the exact share of hits that
do harm, which comes from all hits of a step."""
