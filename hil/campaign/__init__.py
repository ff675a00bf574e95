"""Campaigns: what upsets of a step come to, all of them or a sample.

exact_campaign      a campaign from beginning to end: boards, plan, experiments, result file
part, origin        a part of a campaign for one of several computers; which scenario a result is of
recall, repeat, repetition, debugger
                    the step of a result held again, one experiment of it, and the same under gdb
exact, controls     the experiments on one board; before them, hits whose effects are certain
preparation         the plan of a step, after controls
executor            the seam to what carries experiments out, on ranges of them
executors, local, cluster    which one; boards of this computer, and of the workers of a cluster
cluster_tasks, board_pool    what a worker of a cluster does, and the boards that it keeps open
ranges              ranges of experiments, and how they are cut up
outcome_keeper, progress, fault_layout    what comes back: kept, counted, and where it lies
sampled_campaign    a campaign on faults that are drawn or listed, from beginning to end
sample_stages       which faults come before each look at its results
fault_space, sampling, fault_list    all faults; drawing some of them; lists of them as text
sample_survey, board_samples, inproc_samples    what there is to hit, and the experiments: on boards
                    and in this process
drawn_samples, request_size    the faults that boards draw by themselves, and how many at once
sample_places, inproc_repeat    what is where samples struck; one in this process again
bench, held_step    the boards of a campaign, and one that holds a step for experiments
coded_series        requests to it whose answers are coded
regions, step_choice    the targets; those of a campaign, and its step, if nothing else is said
arguments           what Python orders, checked
trace               the registers before each instruction of a step
disassembler, decode_x86, decode_a64, instruction    what each instruction touches
symbols, step_rows  functions and source lines; what the result says of the step itself
def_use, plan, analysis    the classes of faults that do the same, and the experiments for them
weight_flips        every bit of every weight of a model, judged by its loss
input_bench         many inputs for one state, in this process
step_cost           memory and time of a step without faults
severity, unread    how wrong outputs are, and what is in bytes that nothing reads
ending_reader       what a board sends of the ends of experiments
text_hits           how much of a text single hits cost, by their place in it
checksum_hits, tick_step    what checksums of a workload find; steps with a flip at a tick
scheme_proof        what a redundancy scheme makes of every upset of every node
proof_journal, proof_result    its experiments while they go on, and its file
scheme_model, voter_upsets    the scheme without boards; upsets of the voter and of recovery
scheme_answers                the answers of a node that the model of a scheme takes
stubborn_nodes, link_upsets   nodes that go on to answer wrongly; every hit of a message on the link
scheme_runs         the confirmation of a proof by full runs
flown_faults        faults that make one node wrong, flown through three
single_step         all hits of a step that is held
single_hits, checked_hits    every hit of a step of every node, and what the scheme makes of it
scheme_trials, scheme_sweep    runs of one scenario with a scheme; a key that takes several values
theory              a package: short runs of whole rigs, beside what models of them predict
training_runs       training runs under single upsets, protected in several ways

Results are in `hil.record`: the journal of a campaign, and its file."""
