"""PURE: counts in, judgement out. numpy and scipy; no clock, no I/O, no logging, no environment.

In reading order: ``histogram`` (buckets to counts), ``evidence`` (counts to running sums), ``proportions`` (the
statistics), ``terms`` and ``comparison`` (what latency and errors share), ``latency``, ``errors``, ``sentences``
(what they say); ``guards`` (limits without statistics); ``past`` (bursts before the rollout);
``split`` (the delivered weight).
"""
