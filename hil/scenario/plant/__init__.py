"""The plant of a scenario: its values and their rules."""
