"""Cutover."""
