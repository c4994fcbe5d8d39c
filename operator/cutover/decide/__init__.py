"""PURE: what is seen goes in, what to do comes out.

No clock (``now`` is part of the observation), no I/O, no logging, no environment, no randomness.

Reading order. What is known and said: observation, decision, transitions, plan. The choice: rollout,
then in the order in which it asks: alarms (guarding, judging), leaving, entering, forward (claims,
override, enforcing, pausing, stepping). Beneath: record, clocks, weights. Around it: looking says
what a look needs; reporting and message what people read; publishing whether that is worth a write.
"""
