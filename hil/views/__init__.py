"""The views: what people see of a run. They know the record, and nothing of the engine.

`screen` on a terminal, `progress` in lines while it runs, `summary` when it has ended, `listing`
frame by frame, `orbit` for a flight, `tables` for the answers of the other commands. All but
the screen return or print text; who asked for it decides where to. `alarm_limits` reads the limits
of a run from its record.
"""
