"""API servers on which nothing of ours is installed yet, and helm."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Cluster, Lab, parts

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/cutover"
Json = dict[str, Any]


@pytest.fixture(scope="session")
def bare_cluster(lab: Lab) -> Iterator[Callable[[], Cluster]]:
    """Each call starts one more API server."""
    with ExitStack() as running:
        yield lambda: running.enter_context(lab.private_cluster()).cluster


@dataclass(frozen=True)
class Helm:
    program: Path
    home: Path

    def __call__(self, *arguments: str | Path, check: bool = True) -> str:
        """Standard output; with check=False, standard error follows it."""
        done = subprocess.run(
            [str(self.program), *map(str, arguments)],
            env=os.environ | {"HOME": str(self.home), "HELM_CACHE_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done.stdout + done.stderr

    def template(self, *arguments: str | Path) -> list[Json]:
        text = self("template", "cutover", CHART, "--namespace=cutover-system", *arguments)
        return [document for document in yaml.safe_load_all(text) if document]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(parts.ensure(["helm"])["helm"], tmp_path_factory.mktemp("helm"))


def values(name: str) -> tuple[str, Path]:
    return "--values", CHART / f"ci/{name}-values.yaml"


def may(
    cluster: Cluster, user: str, verb: str, resource: str, namespace: str, *, name: str = ""
) -> bool:
    """Ask the API server's own authorizer; `resource` is group/resource[/subresource]."""
    group, kind, *sub = resource.split("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "resourceAttributes": {
                "verb": verb,
                "group": group,
                "resource": kind,
                "subresource": "".join(sub),
                "namespace": namespace,
                "name": name,
            },
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(cluster.call("POST", path, review)["status"]["allowed"])
