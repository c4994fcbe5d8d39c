"""One side's counters and histograms out of its Prometheus; the port is ``ports.Metrics``.

Reads only. Nothing here judges: what is not there is a ``Gap`` with a sentence, never a zero.

``promql``       text: matchers, windows, tags, joining by ``or``
``profiles``     data: whose metric names are read, and the default gates
``credentials``  what a request carries, out of Secrets
``answers``      what a Prometheus (or whatever listens there) said, as a value
``prometheus``   one pooled client per address and credentials
``diagnosis``    why a number is missing, in a sentence
``gauges``       how full the servers are, and what their GPUs say
``gateway``      what the gateway counts of a side's backend, beside the servers' own metrics
``joined``       one look at one side as one query
``values``       the numbers that query gates ask for, each alone
``history``      one side's past, look by look, as one range query
"""
