"""Simulated bench supplies: processes that behave as instruments do."""
