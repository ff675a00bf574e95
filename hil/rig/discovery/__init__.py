"""Finds the boards that are attached, and writes the bench file."""
