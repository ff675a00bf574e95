"""The pytest plugin: rigs in the tests of a flight program. It is built on `hil.api` alone.

plugin              the hooks, fixtures, markers and options that pytest loads
conditions          what a test waits for, or forbids: a verdict, a node's state, an event
occurrences        what happened in a run, as tests see it
occurrence_log      the occurrences of a run, in their order
settings            which scenario and boards a test gets, from its markers and the command line
session             the rig of one test, from its first use to its kept or removed recording
wanted_metrics      what `rig.expect` is given
judgement           a run at its end: what its test expects, and what its recording says
rig                 the fixture `rig`: steps, awaits, expectations
flights             the fixture `orbit`
nodes               the fixtures `node` and `inject`
recordings          the folders of the recordings
output_folders      the folders that the command line names, tried before the first test
failure_text        what a failure says: the recording, and the line that reproduces it
allure, allure_report    files for Allure reports, and what is in that of one test

Loaded by every pytest run of an environment in which the package is installed. Until a test uses a
fixture, or an option names a folder, nothing of the package is imported but `plugin`, `conditions`
and `occurrences`, which import nothing else.

Tests import the conditions from here: `from hil.testing import repair, state, upset, verdict`."""

from hil.testing.conditions import Condition, anomaly, repair, slip, state, upset, verdict

__all__ = ["Condition", "anomaly", "repair", "slip", "state", "upset", "verdict"]
