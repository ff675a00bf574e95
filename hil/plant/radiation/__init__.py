"""Radiation along the orbit: trapped protons, cosmic rays, solar particles, and the upset rates
that a board's cross-sections make of them.

Fluxes are omnidirectional (4 pi) and integral, in particles per cm2 and second above an energy or
a LET. Nothing here is better than a factor of two: that is the accuracy of AP8 itself."""
