"""Looks at this computer and at files, before anything runs."""
