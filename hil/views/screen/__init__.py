"""The operator's screen: what `hil watch`, `hil replay` and `hil run` show on a terminal.

Data goes one way: from the record (`hil.record.live`) through the values of `model` to the lines of
`pages`, and from there to the terminal.

model               a package: the values that are shown, read from the record
pages               a package: lines of text from these values. Pure
presenter           the page on view, its frame and its cursor; keys come in as calls
page_source         what the pages read of the record beyond the scene
rules               the redundancy rule of the run, in words. Pure
event_list          the events that are shown, and the one under the cursor
app                 Textual: the screen of a terminal, and how often the record is looked at
canvas, footer, dialogs    the widgets: lines that are drawn only when they change, keys, questions
key_bindings, page_actions    the keys, and what each does
command_dialog, run_control, run_commands    commands to a run with `--control`
leaving             when a screen leaves by itself
open                starts the screen, or prints it once
picture             the screen as an SVG picture
web, web_server     the screen in a browser

Live and recorded runs differ only in the frame that is on view."""
