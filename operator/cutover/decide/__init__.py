"""PURE: what is seen goes in, what to do comes out.

No clock (``now`` is part of the observation), no I/O, no logging, no environment, no randomness.
Reading order: observation, decision, transitions, weights, evidence, rollout.
"""
