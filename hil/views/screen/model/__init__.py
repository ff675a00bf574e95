"""What the screen shows, as values: nothing here paints."""
