"""The lab: every part real, no container engine.

Two API servers (source, target) on one etcd, Contour and Envoy with one Gateway on the source,
Prometheus, and pairs of small model servers with real vLLM metrics. `python -m tests.lab build`
builds the parts once into the cache; `python -m tests.lab up --dir DIR` runs a lab by hand.

    with Lab.start(folder, slots=4) as lab:                # or Lab.attach(folder)
        slot = lab.slot(0)                                 # .source, .target: ModelServer
        route = lab.route("inference", "chat", slot)       # weights 100/0, served when it returns
        with Traffic(lab, route.host, rate=100) as traffic, route.watch() as log:
            await slot.target.set(ttft=2.0)                # levers: tests/lab/levers.py
            route.set_weights(80, 20)
            log.wait_for(20)                               # log.changes, log.history
        traffic.records()                                  # one Sent per request

In tests use the fixtures of tests/conftest.py: `lab`, `slot` (a free pair, reset before and
after), `clusters` (source and target, from the lab or from kind).

- `Cluster`: `.server`, `.ca_pem`, `.kubeconfig`, `.admin_token`, `.kubectl(*args, input=, check=)`,
  `.call(method, path, body)`, `.apply(dict)`, `.kubeconfig_for(user=|token=, server=, namespace=)`,
  `.add_token(user)`. Users: admin, `OPERATOR` (ServiceAccount cutover-system/cutover), `PEOPLE`.
- `ModelServer`: `.port`, `.url`, `.matchers`, `await set(**levers)`, `await reset()`,
  `await restart()`, `await arrivals(since=)`, `await state()`, `await forget_arrivals()`.
- `Route`: `.weights()`, `.set_weights(source, target)`, `.watch()` → `WeightLog`, `.read()`,
  `.delete()`, `.source_backend`, `.target_backend`, `.host`.
- `lab.proxy(cluster or url)` → `FaultProxy`; `lab.private_prometheus([slot])` and
  `lab.private_cluster()` may be killed. All three are context managers.
- `lab.workload(cluster, namespace, name, server, replicas=)` → a Deployment that tells the truth
  about that server: `.scale(n)`, `.wait_ready(n)`, `.ready_replicas`.
- Series of slot k carry `slot="k"`, `side` and `cluster` ("source" or "target").

No controllers run: namespaces stay Terminating, nothing is garbage collected, and the roles view
and edit are empty (bind system:aggregate-to-view).
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.lab.cluster import Cluster, KubectlError
    from tests.lab.credentials import OPERATOR, PEOPLE
    from tests.lab.lab import Lab
    from tests.lab.levers import Levers
    from tests.lab.private import PrivateCluster, PrivatePrometheus
    from tests.lab.proxy import FaultProxy
    from tests.lab.routes import Change, Route, WeightLog, Weights
    from tests.lab.servers import ModelServer, Slot
    from tests.lab.traffic import Sent, Traffic

__all__ = [
    "OPERATOR",
    "PEOPLE",
    "Change",
    "Cluster",
    "FaultProxy",
    "KubectlError",
    "Lab",
    "Levers",
    "ModelServer",
    "PrivateCluster",
    "PrivatePrometheus",
    "Route",
    "Sent",
    "Slot",
    "Traffic",
    "WeightLog",
    "Weights",
]
_HOMES = {
    "cluster": ("Cluster", "KubectlError"),
    "credentials": ("OPERATOR", "PEOPLE"),
    "lab": ("Lab",),
    "levers": ("Levers",),
    "private": ("PrivateCluster", "PrivatePrometheus"),
    "proxy": ("FaultProxy",),
    "routes": ("Change", "Route", "WeightLog", "Weights"),
    "servers": ("ModelServer", "Slot"),
    "traffic": ("Sent", "Traffic"),
}


def __getattr__(name: str) -> Any:
    """Imported when used: the lab's own processes need little of it and start often."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"tests.lab.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
