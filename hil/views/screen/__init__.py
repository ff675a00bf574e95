"""The operator's screen: what `hil watch`, `hil replay` and `hil run` show on a terminal.

One way, top to bottom:

    source    a record, live or finished, read a little at a time; never slows its writer
    ledger    what became of every stretch of frames, summed up lazily
    gather    source -> Scene: plain values around one frame, the newest or any other
    facts     those values
    judge     Scene -> health, redundancy, levels of every value. Pure
    alarms    limits, persistence, latching. Pure
    player    which frame is on view: following, paused, played, sought. Pure
    paint_*   values -> lines of text, for a width and a set of glyphs. Pure
    app       Textual: keys, screens, and lines that are drawn only when they have changed

Live and recorded runs differ in nothing but the frame that is on view.
"""
