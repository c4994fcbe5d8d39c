"""A small world to run whole rollouts in, without a cluster, a Prometheus or a clock.

- ``rollouts``: the rollouts' own API server. ``route``: one HTTPRoute and its gateway. ``sides``:
  what the servers of both sides count. Each behaves like the real one as far as decisions see it.
- ``process``: one operator: observe, decide, act, report, in the order of the real reconciler and
  with the real ``act``; it can be killed between any two effects.
- ``world``: time, and who does what when. ``promises``: what must hold after every turn.
"""
