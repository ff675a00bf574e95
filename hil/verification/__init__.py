"""Computes again whatever a finished record claims."""
