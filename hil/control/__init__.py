"""Operator commands to a running run, over a Unix socket in its folder.

    views, `hil control`          the run's process
    client ── control.sock ──► server (a thread) ── inbox ──► engine.operator, between two frames

`commands`, `answers` and `protocol` are common to both sides: a command with its arguments, what it
is answered with, and the lines on the socket. Nothing here imports the engine, so that views may
import `client`. The loop never waits for a client: it
polls the inbox, and queues answers that the server's thread sends."""
