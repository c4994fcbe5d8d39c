"""Where every await is broken: rollouts on a namespace that is alive, asked for everything that can be."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.features.rollouts.stage import Stage
from tests.features.rollouts.test_holdout import RESULTS, evaluated, outcomes
from tests.features.rollouts.test_parity import CHATS, ERRORS, endpoints, golden, keep
from tests.features.rollouts.test_query_gates import ANSWERED
from tests.lab import OPERATOR, Traffic
from tests.lab.routes import external_service, http_route

WORKLOAD = "llama-chat"
ITEMS = 20
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ground:
    """A namespace whose source answers requests, and a kubeconfig to it."""

    stage: Stage
    kubeconfig: Path

    def another(self) -> Stage:
        """One more rollout and its route, which carries no requests of its own."""
        stage, name = self.stage, f"chat-{next(_numbers)}"
        ports = {"source": stage.slot.source.port, "target": stage.slot.target.port}
        weights = {"source": 100, "target": 0}
        backends = []
        for side, port in ports.items():
            backend = f"{name}-{side}"
            stage.cluster.apply(
                external_service(stage.namespace, backend, f"{side}.localhost", port)
            )
            backends.append({"name": backend, "port": port, "weight": weights[side]})
        host = f"{name}.{stage.namespace}.example"
        stage.cluster.apply(http_route(stage.namespace, name, host, backends, 1))
        route = replace(stage.route, name=name, host=host)
        return replace(stage, name=name, route=route)


@contextmanager
def prepared(stage: Stage) -> Iterator[Ground]:
    """Callers of both sides, a Deployment, golden inputs and results of evaluations."""
    stage.send(rate=50)
    # The target has callers of its own, so that looks may find enough in the guards' short windows.
    log = stage.folder / "callers.log"
    callers = Traffic(stage.lab, "target.example", 50, log=log, target=stage.slot.target.url)
    kubeconfig = stage.folder / "operator.kubeconfig"
    kubeconfig.write_text(stage.cluster.kubeconfig_for(user=OPERATOR, namespace=stage.namespace))
    keep(stage, CHATS[:ITEMS])
    for name in RESULTS.values():
        evaluated(stage.cluster, stage.namespace, name, outcomes(100))
    workload = stage.lab.workload(stage.cluster, stage.namespace, WORKLOAD, stage.slot.target)
    with callers, workload:
        stage.wait("the target's callers", lambda: len(callers.records()) > 300, 60)
        yield Ground(stage, kubeconfig)


def everything(stage: Stage) -> dict[str, Any]:
    """Changes to the spec, so that all is asked that can be; nothing of it holds up a weight."""
    sides = endpoints(stage)
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": WORKLOAD}
    sides["target"]["workload"] = workload
    asked = {
        "query": {"expr": ANSWERED, "max": "1000000000"},
        "holdout": {"metric": "Accuracy", "results": RESULTS},
    }
    gates = [{"name": kind, "onFail": "Report", kind: gate} for kind, gate in asked.items()]
    parity = golden(rate=50, concurrency=4) | {"onFail": "Report"}
    return sides | {"gates": [ERRORS, *gates, parity]}


def warmed_up() -> dict[str, Any]:
    """A warm-up besides: the first weight waits for it."""
    dataset = {"configMapKeyRef": {"name": "golden"}}
    return {"warmUp": {"requests": 2, "dataset": dataset}}
