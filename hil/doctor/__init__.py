"""Examines this computer and files before anything runs."""
