"""Statistics of results: what counts mean, how sure they are, and what they come to.

fault_sums          faults of an exact campaign, by byte, instruction and function
comparison, sample_comparison    two campaigns beside each other: exact ones, and sampled ones
pairing, mcnemar    two campaigns fault by fault
protection          what protecting the worst places would buy
protection_costs    what protections in software cost and leave, beside TMR
vulnerability       AVF, program and parameter vulnerability factor
scheme_figures      what a redundancy scheme achieved in the runs of a scenario
scheme_reliability  how reliable a scheme is over a mission, and up to which altitude enough
model_row           a quantity that a model predicts and runs measure
coverage            the share of effective faults that a run detected and recovered
run_models          models of one run, given its rate of effective faults
reliability         models: voting, repair, spares, memories, checkpoints, fault trees
open_bits           bits that are open to failure, counted or estimated
failure_rates       failures per day, FIT and MTTF on a board in an orbit
intervals           confidence intervals of shares: Wilson, Clopper-Pearson, and of several strata
sample_sizes        how many experiments a precision needs, and when a campaign looks at its results
training_outcome, training_curves    what upsets do to a training run; loss curves of a record
training_comparison    ways to protect training, at the same upsets
sample_summary      the result of a sampled campaign, by target and in all
economics           a package: the price of a correct answer, in orbit and on the ground
whole_campaign      whether a result file has all of its campaign, and is not a part"""
