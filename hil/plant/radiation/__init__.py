"""Radiation along the orbit: trapped protons, cosmic rays, solar particles, and the upset rates
that a board's cross-sections make of them.

Fluxes are omnidirectional (4 pi) and integral, in particles per cm2 and second above an energy or
a LET. Nothing here is better than a factor of two: that is the accuracy of AP8 itself.

environment         the environment that a scenario states
ap8                 trapped protons along a track
flux_file, flux_table    proton fluxes that are given in a file, over time and energy
solar_cycle, blended    activity of the Sun and drift of the anomaly by date; between two phases
gcr                 galactic cosmic rays behind the Earth's field
galactic_ions       fluxes of their elements (ISO 15390)
stopping            stopping powers and ranges of protons and ions
let_spectrum        spectra of the LET of ions behind a wall
belt_table, bake_belts    trapped electrons and protons by L and B/B0, at any altitude (AE8, AP8)
dose, dose_kernels, bake_dose    total ionising dose behind aluminium (SHIELDOSE-2)
solpro              solar protons of a mission at a confidence level
irpp                upset rates of ions by the integral rectangular parallelepiped
spe                 solar particle events: size and course
sapphire            spectra of their protons by return period
solar_ions          their heavier ions
shielding           protons behind walls of aluminium
crosssection        the upset probability of a part, by energy or LET
rates, arrivals     upset rates along a track, and the times that are drawn from them
"""
