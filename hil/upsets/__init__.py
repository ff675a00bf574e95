"""One upset from plan to outcome."""
