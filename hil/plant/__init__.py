"""The simulated world around the boards: orbit, sunlight, radiation, power and heat.

Values go one way: an `Orbit` gives a `Track`, a track gives illumination, passes and upset rates.
From the light and from what the boards draw, `Flight` computes battery, bus and temperatures; what
the boards are then given depends on these. Nothing here knows nodes, frames or records, and nothing
waits. Arrays carry their unit and frame in their names and are read-only."""
