"""Operating characteristics: what the judging gets wrong, how often, and how soon it gets it right.

Whole plans are simulated and judged by the operator's own code (``cutover.judge``), and the same data are given to the
usual alternatives. In reading order: ``worlds`` (what is simulated, and the goals), ``traffic`` (requests, errors
and latencies of one step), ``outcome`` (how a step or a plan ended), ``operator_rule`` and ``guard_watch`` (the
operator), ``plain_rule``, ``point_rule``, ``kayenta_rule`` (the others), ``plans`` and ``power`` (the runs),
``fixed_size`` (the best test that looks once), ``figures`` (counts and intervals), ``document``, ``chart``, ``text``
(what is printed and written).
"""
