"""The views: what people see of a run. They know the record, and nothing of the engine.

`progress` while it runs, `summary` when it has ended, `listing` frame by frame, `tables` for the
answers of the other commands. All of them return or print text; who asked for it decides where to.
"""
