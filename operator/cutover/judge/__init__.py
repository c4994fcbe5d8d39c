"""PURE: counts in, judgement out. numpy and scipy; no clock, no I/O, no logging, no environment."""
