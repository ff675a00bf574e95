"""The end of a run on one page, made from its record: the outcome first, then why.

page                puts the sections together
recorded_run        the run that a summary is made of
layout              titles, tables, and numbers as text
outcome, result_table, expectation_table, failures, upset_tables, value_table, text_table,
training_table, ground_table, repair_table, outage_table, node_table, identity
                    the sections: each takes the run, returns what rich can print

Works for every finished run without the engine; of a run that is not finished it shows what the
record holds so far."""

from hil.views.summary.outcome import outcome_line
from hil.views.summary.page import render

__all__ = ["outcome_line", "render"]
