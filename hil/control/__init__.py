"""Operator commands into a running run, over a Unix socket in its folder.

    views, `hil control`          the run's process
    client ── control.sock ──► server (a thread) ── inbox ──► engine.operator, between two frames

`protocol` is what both sides know: the commands, and the lines on the socket. Nothing here knows
the engine, so that views may import `client` and `protocol`. The loop never waits for a client: it
looks whether the inbox holds anything, and hands answers back without sending them itself."""
