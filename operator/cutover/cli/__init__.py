"""What people type: ``cutover``, which is also the kubectl plugin ``kubectl cutover``.

In reading order: ``program`` (the list of commands, how the program ends), ``errors`` (exit codes),
``options`` (context, namespace). The commands: ``steering`` (pause, resume, approve, abort, retry,
each at a ``desk``), ``watching`` (status, list), ``linting`` (lint), ``planning`` (plan),
``backtesting`` (backtest). What they use: ``connection`` (one API server), ``rollouts`` (reading,
following, applying), ``ownership`` (whose field it is), ``sight`` (a rollout as read), ``drawing``,
``gates``, ``columns``, ``words`` and ``screens`` (as a person sees it), ``manifests``, ``admission``,
``schema`` and ``cel`` (what a cluster would say of a file), ``loading`` (a file as plans),
``outlooks``, ``trials``, ``plots`` and ``progress`` (what ``foresight`` found, as a person sees it).

It starts quickly: at their top, the modules of commands import click alone. What speaks to a
cluster, draws or validates is imported when a command runs.
"""

from cutover.cli.program import main

__all__ = ["main"]
