"""The simulated world around the boards: orbit, sunlight, radiation, power and heat.

Values go one way: an `Orbit` gives a `Track`, a track gives illumination, passes and upset rates.
From the light and from what the boards draw, `Flight` computes battery, bus and temperatures; what
the boards are then given depends on these. Nothing here knows nodes, frames or records, and nothing
waits. Arrays carry their unit and frame in their names and are read-only.

build               the plant of a scenario: boards, spacecraft, sky and flight
moment              what boards draw at one moment, and what they then experience
flight              power and heat during a run, coupled to its boards
sky                 what is known ahead: orbit, light, radiation and contacts, in blocks of steps
survey, survey_figures, survey_dose, survey_cycles
                    a flight without boards, its figures, its dose and its thermal cycles
sweep               the survey of one scenario in many orbits
survey_rows, survey_sums, course    its rows block by block; their sums; what pictures show of them

orbit, elements, tle    positions by SGP4, from elements or from a TLE
knots               positions between knots
scenario_orbit, scenario_radiation    orbit and radiation of a scenario, in any of their forms
orbit_data          a package: OMM, OPM, OEM and states, as others write them
earth, coordinate_frames    the ellipsoid; sidereal time and geodetic coordinates
sun, eclipse        the Sun's position, and how much of it is visible
attitude            where the faces of the spacecraft look
passes              passes over ground stations
link_budget         which bit rate a radio link closes with
ground              contacts with stations and another satellite, and their rates
store_and_forward   what waits for a contact, what goes when, and what is dropped
ground_link         both directions of the link: what comes down, is worked on, and goes up again

spacecraft          power and heat models, from a design or sized by a rule
solar_array, battery, power, power_block    the power system
thermal             the network of temperatures
energy_totals       sums of energy, and how well they balance
board_parts, board_speed    what a board adds to these models, and how fast it computes

radiation           a package: fluxes, and the upset rates that follow from them
footprint           the bytes of a workload, and which of them are voted on
data_choice, sections    the data sets that a scenario chooses, and the cross-sections of its boards
strikes             the events that hit the boards
board_rates, rate_sums, radiation_notes    how often a board is hit, from low to high
end_of_life         when the dose of a run has killed a board
thermal_cycles      cycles of temperature, counted by rainflow
bit_rates           how often one bit of a board's memory is upset
anomaly             where the South Atlantic Anomaly is, for maps

profile, profile_columns, profile_csv, profile_npz, profile_writer    values over time, as files
prescribed          what a profile prescribes in place of the models
"""
