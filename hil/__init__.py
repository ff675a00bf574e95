"""hil: a hardware-in-the-loop flight computer emulator.

Redundant nodes compute the same step, upsets hit their live state, a voter compares, recovery
heals. Importing this package loads nothing heavy; `hil.engine.loop` runs scenarios from Python.
"""

__version__ = "0.1.0"
