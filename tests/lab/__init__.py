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
  `await restart()`, `await arrivals(since=)`, `await state()`.
- `Route`: `.weights()`, `.set_weights(source, target)`, `.watch()` → `WeightLog`, `.read()`,
  `.delete()`, `.source_backend`, `.target_backend`, `.host`.
- Series of slot k carry `slot="k"`, `side` and `cluster` ("source" or "target").

No controllers run: namespaces stay Terminating, nothing is garbage collected, and the roles view
and edit are empty (bind system:aggregate-to-view).
"""

from tests.lab.cluster import Cluster, KubectlError
from tests.lab.credentials import OPERATOR, PEOPLE
from tests.lab.lab import Lab
from tests.lab.levers import Levers
from tests.lab.routes import Change, Route, WeightLog, Weights
from tests.lab.servers import ModelServer, Slot
from tests.lab.traffic import Sent, Traffic

__all__ = [
    "OPERATOR",
    "PEOPLE",
    "Change",
    "Cluster",
    "KubectlError",
    "Lab",
    "Levers",
    "ModelServer",
    "Route",
    "Sent",
    "Slot",
    "Traffic",
    "WeightLog",
    "Weights",
]
