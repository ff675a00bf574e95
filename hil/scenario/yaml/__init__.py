"""YAML with the place of every value, so that each message can name a line.

document            the values of a file, and their places
reader              reads a file into one
messages            the error messages"""
