"""Operator commands to a running run, over a Unix socket in its folder.

    views, `hil control`          the run's process
    client ── control.sock ──► server (a thread) ── inbox ──► engine.operator, between two frames

client, server      the two sides
inbox               the queue of commands from the server's thread to the loop
commands, arguments, answers    a command, the kinds of its arguments, and its answer
words               commands as they are typed
protocol            the lines on the socket
place               the socket's address, and the user at its other end

Nothing here imports the engine, so that views may import `client`. The loop never waits for a
client: it polls the inbox, and queues answers that the server's thread sends."""
