"""Reads only: the world becomes one Observation. What cannot be read is a value in it."""
