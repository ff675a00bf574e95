"""The wire: the values that cross between the host and a board."""
