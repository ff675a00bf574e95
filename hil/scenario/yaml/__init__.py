"""YAML with the place of every value, so that each message can name a line."""
