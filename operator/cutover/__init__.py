"""Cutover moves the traffic of AI inference services between clusters, and puts it back by itself.

In reading order:

- `api` — the contract with users: spec, status, conditions; `crd` makes the definition of it
- `decide.rollout` — what is chosen after a look, in an order that is the safety argument
- `judge` — the statistics: gates, guards, delivered weight
- `ports` — what the loop needs from the world
- `reconciler` — observe; decide; act; report
- `observe`, `act`, `report` — reads only; one write to the route; status, Events, metrics
- `traffic`, `metrics`, `clusters` — the adapters behind the ports
- `queue`, `dispatcher`, `election`, `roster`, `handlers`, `server`, `telemetry`, `process` — the shell
- `cli` — kubectl cutover
"""
