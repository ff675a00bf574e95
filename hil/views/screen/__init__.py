"""The operator's screen: what `hil watch`, `hil replay` and `hil run` show on a terminal.

One way, top to bottom:

    record.live          a record, live or finished, read a little at a time; never slows its writer
    model.verdict_strip  what became of every stretch of frames, summed up lazily
    model.scene          live record -> Scene: plain values around one frame, whichever it is
    model.facts          those values
    model.health         Scene -> health, redundancy, levels of every value. Pure
    model.alarms         limits, persistence, latching. Pure
    model.playback       which frame is on view: following, paused, played, sought. Pure
    pages.*              values -> lines of text, for a width and a set of glyphs. Pure
    app                  Textual: keys, screens, and lines that are drawn only when they change

Live and recorded runs differ in nothing but the frame that is on view.
"""
