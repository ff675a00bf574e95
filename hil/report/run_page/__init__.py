"""The page of a run, or of several: what a review board reads. It knows the record alone.

page           one run: verdict first, figures, dissents, tables, boards; the file is self-contained
comparison, condition_table    several runs beside each other, and what differs in their conditions
facts          all that a page says of a run, asked of its record once
record_seal    whether the record was changed after its run had ended
verdict        the sentence, the story of the first dissent, and the command that repeats the run
dissents, dissent_values    each frame that was more than agreement: its bits, values, voters,
               cause and healing
healing        how and when nodes came back after a dissent
figures        lanes of nodes, orbit, power, temperatures, recovery, latency
ground         what went to the ground, when, and what was dropped
ground_map     where upsets struck, on the ground track
meaning        texts and loss curves, where the workload has them
tables, boards    the tables; who computed, and what its console printed
board_context  what boards executed, and their kernel logs
frames, voters, values, checked    the packed frames that the page votes on again, the verdicts of
               the voters of single nodes, and the outputs that a voter by value compares, or the
               checkers of a doer
theory         upsets that were expected beside those that were drawn
svg            charts"""
