"""Emulated boards: the agent as the only program of a whole computer that QEMU emulates.

fetch     fetches the kernel, its device tree and its watchdog driver once, with apt
cpio      the initial file system: the agent as /init
qmp       QEMU's monitor: power, stop and continue
ram       the guest's memory, read and changed from outside
machine   one QEMU process
board     the Board that a rig uses
outlet    its serial port as a pty, which any program may open
"""
