"""The operator's screen: what `hil watch`, `hil replay` and `hil run` show on a terminal.

One way, top to bottom:

    record.live           a record, live or finished, read a little at a time, beside its writer
    model.verdict_strip   the verdicts of every stretch of frames, summed up lazily
    model.scene           record -> Scene: plain values around one frame, the newest or any other
    model.facts           those values
    model.health          Scene -> health, redundancy, levels of every value. Pure
    model.alarms          what limits (hil.views.alarm_limits) come to: persistence, latching. Pure;
                          alarm_feed feeds them from the record
    model.playback        which frame is on view: following, paused, played, sought. Pure
    pages                 values -> lines of text, for a width and a set of glyphs. Pure
    presenter             the page on view and the cursor; keys come in as calls
    app                   Textual: keys, dialogs, and lines that are drawn only when they change

Live and recorded runs differ in nothing but the frame that is on view.
"""
