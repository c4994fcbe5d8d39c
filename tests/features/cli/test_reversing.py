"""What `cutover reverse` prints is accepted by a real API server, for every example."""

from pathlib import Path

import pytest
import yaml

from cutover.cli.reversing import irreversible
from tests.features.admission.rollouts import Rollouts
from tests.features.cli.people import Shell, unique
from tests.lab import Cluster

pytestmark = pytest.mark.lab

EXAMPLES = sorted((Path(__file__).parents[3] / "manifests" / "examples").glob("*.yaml"))
ROLLOUTS = [
    (path, number)
    for path in EXAMPLES
    for number, found in enumerate(yaml.safe_load_all(path.read_text()))
    if found["kind"] == "MigrationRollout"
]


@pytest.mark.parametrize(
    ("path", "number"), ROLLOUTS, ids=lambda value: getattr(value, "stem", value)
)
def test_the_way_back_of_an_example_is_valid_as_it_is(
    path: Path, number: int, clusters: tuple[Cluster, Cluster], namespace: str, cutover: Shell
) -> None:
    cluster = clusters[0]
    manifest = list(yaml.safe_load_all(path.read_text()))[number]
    name = manifest["metadata"]["name"] = unique("there")
    manifest["metadata"]["namespace"] = namespace
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest))
    try:
        said = cutover("reverse", name)
        if irreversible(manifest["spec"]["traffic"]):
            assert (said.code, said.out) == (2, "")
            assert "holds one number, the target's share" in said.err
            return
        assert said.code == 0, said.err
        accepted = cluster.kubectl(
            *("apply", "--dry-run=server", "--validate=strict", "-f", "-"), input=said.out
        )
    finally:
        Rollouts(cluster, namespace).delete(name)
    assert f"{name}-back created" in accepted
    back = yaml.safe_load(said.out)["spec"]
    assert (
        back["source"]["prometheus"]["matchers"]
        == (manifest["spec"]["target"]["prometheus"]["matchers"])
    )
