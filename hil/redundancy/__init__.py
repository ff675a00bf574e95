"""Redundancy: who is believed, by the written rules of the scheme."""
