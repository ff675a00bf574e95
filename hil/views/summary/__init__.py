"""The end of a run on one page, made from its record: the outcome first, then why.

`page` puts the sections together; each section is a module of its own that takes the run and
returns what rich can print. Works for every finished run without the engine; of a run that is not
finished it shows what the record holds so far.
"""

from hil.views.summary.outcome import outcome_line
from hil.views.summary.page import render

__all__ = ["outcome_line", "render"]
