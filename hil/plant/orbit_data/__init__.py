"""Orbits as others write them: mean elements and states in the formats of the field.

A text is recognised by what stands in it, not by the name of its file. Each object in it becomes a
`MeanSet`, which SGP4 flies as it is, or a list of states, to which a set is fitted.

reader              finds the format of a text and the wanted object in it
omm_text            OMM as JSON, CSV, XML and KVN: to fields with their lines
omm_fields          the fields of an OMM: to mean elements
mean_set            mean elements of SGP4, checked
states              OPM and OEM: to states
state_vector        a state: to the mean elements that SGP4 reproduces it with
sgp4_satellite      a satellite of the sgp4 library
celestial_frames    J2000 and Earth-fixed states in TEME
fault               what cannot be flown, with the line where it stands
"""
