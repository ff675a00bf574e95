"""The plant of a scenario: its values and their rules.

flight              the block `plant:` as a whole
orbit, radiation    where the spacecraft flies, and what hits its boards
wear                the dose that ends the life of boards
orbit_forms, tle_lines    the forms in which people write an orbit; element sets in lines of text
spacecraft          its design, part by part or by a rule
power, solar_array, battery, thermal    the parts of that design"""
