"""What people type: ``cutover``, which is also the kubectl plugin ``kubectl cutover``.

In reading order: ``program`` (the commands' list and the exit codes), ``options`` (where: context
and namespace), the commands in ``steering`` (pause, resume, approve, abort, retry), ``watching``
(status, list) and ``linting`` (lint); below them ``connection`` (one API server),
``rollouts`` (reading, following, applying), ``ownership`` (whose field it is), ``sight`` (a rollout
as read) and ``drawing`` (as a person sees it), ``schema`` and ``manifests`` (what lint checks).

It starts quickly: at their top, the modules of commands import click alone. What speaks to a
cluster, draws or validates is imported when a command runs.
"""

from cutover.cli.program import main

__all__ = ["main"]
