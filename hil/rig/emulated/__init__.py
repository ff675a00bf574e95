"""Emulated boards: the agent as the only program of a whole computer that QEMU emulates.

fetch     the kernel, its device tree and its watchdog driver, once, by apt
cpio      the first file system: the agent as /init
qmp       QEMU's monitor: power, and standing still
ram       the guest's memory, seen and hit from outside
machine   one QEMU process
board     the Board that a rig uses
outlet    its serial port as a pty, for whoever wants to open it
"""
