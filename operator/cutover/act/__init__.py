"""Writes only: one Action becomes idempotent calls. Nothing is chosen here.

A raise is written once, against exactly what was looked at. A rollback gets through: it looks again
after each lost race, and after three of them stops demanding the version it looked at; the tests on
names and claim stay.
"""
