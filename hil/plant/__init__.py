"""The simulated world around the boards: orbit, sunlight, radiation.

Values go one way: an `Orbit` gives a `Track`, a track gives illumination, passes and upset rates.
Nothing here knows nodes, frames or records, and nothing waits. Arrays carry their unit and frame
in their names and are read-only."""
