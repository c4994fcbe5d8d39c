"""Clusters of EKS, GKE and AKS, from the cloud's token server to an API server that believes the cloud.

The API server is a real one whose certificate is verified. It asks the lab's clouds who a bearer is, and
they look as the real ones do: `tests/lab/clouds`. Of each source of tokens: the right one, a token that the
server takes no longer, credentials that were replaced, credentials that the cloud refuses, a right that was
taken away, and a CA that did not sign the server. Nobody ever says what was told in confidence.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cutover.clusters.answers import Ok, Reason
from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from tests.features.authority import Authority
from tests.features.cloudy import WAYS, Right, Scene, Way
from tests.features.connecting import connected
from tests.features.holder import Holder
from tests.features.rollouts.stage import install
from tests.lab import Cluster, Lab
from tests.lab.clouds import Clouds, clouds

pytestmark = pytest.mark.lab

LONGEST = 3601.0
"""Seconds after which no token of any cloud is good."""


@dataclass
class World:
    clouds: Clouds
    target: Cluster


@pytest.fixture(scope="module")
def world(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A target cluster that asks the clouds who a bearer is."""
    folder = tmp_path_factory.mktemp("clouds")
    with (
        clouds(folder, lab.source) as made,
        lab.private_cluster(*made.review_flags(folder)) as private,
    ):
        yield World(made, private.cluster)


@pytest.fixture
def scene(world: World, lab: Lab, tmp_path: Path) -> Scene:
    world.clouds.ground.begin()
    return Scene(lab, lab.source, world.target, world.clouds, tmp_path)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, scene: Scene) -> Way:
    made: Way = getattr(scene, request.param)()
    return made


class Story(Holder):
    """One holder of a way."""

    def __init__(self, way: Way, scene: Scene, own: Connection, path: str) -> None:
        self._ground = scene.clouds.ground
        self.issuer = scene.issuer(way.environment)
        servers = ["127.0.0.1"] if way.lends_identity else []
        super().__init__(
            own,
            lambda: way.ref,
            scene.namespace,
            path,
            issuer=self.issuer,
            identity_servers=servers,
        )

    async def get_token(self) -> None:
        """Have a token that the API server has not seen: it remembers for 10 s whom it let in."""
        keeper = (await self.connection()).pool.keeper
        assert keeper is not None
        self.now += 2
        self._ground.ahead += 2
        assert await keeper.renew()

    async def close(self) -> None:
        await self.clusters.close()
        await self.issuer.aclose()


async def test_the_life_of_credentials_of_a_cloud(
    way: Way, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cutover")
    ground, right = scene.clouds.ground, Right(scene.target, way.user)
    way.renew()
    async with connected(scene.cluster) as own:
        story = Story(way, scene, own, right.path)
        await story.until_allowed()
        assert set(ground.reviewed) == {way.user}

        await story.get_token()
        ground.ahead += LONGEST  # expired: one more login and one more request, and no failure
        before, given = len(ground.reviewed), ground.given
        assert isinstance(await story.ask_again(), Ok)
        assert ground.reviewed[before:] == [None, way.user]
        assert ground.given <= given + 2

        generation = (await story.connection()).generation
        way.renew()  # rotated
        await story.get_token() if way.lends_identity else None
        assert isinstance(await story.ask(), Ok)
        replaced = (await story.connection()).generation - generation
        assert replaced == (0 if way.lends_identity else 1)
        assert ground.reviewed[-1] == way.user

        right.revoke()
        message = await story.until_forbidden()
        assert f'User "{way.user}" cannot list resource "configmaps"' in message
        assert f"grant it to the account that the credentials of {way.named} name" in message
        right.grant()
        await story.until_allowed()

        await story.get_token()
        way.spoil()
        ground.ahead += LONGEST
        refused = len(ground.reviewed)
        message = await story.failed(Reason.UNAUTHORISED)
        assert f"does not accept the credentials of {way.named} (401)" in message
        assert way.refusal in message
        assert ground.reviewed[refused:] in ([None], [None, None])
        way.renew()
        assert isinstance(await story.ask_again(), Ok)

        way.ref = way.with_ca(Authority().pem.decode())
        message = await story.failed(Reason.UNREACHABLE, "ns/another")
        told = f"check {way.kind}.caData and {way.kind}.tlsServerName of the rollout's spec"
        assert told in message
        said = caplog.text + story.told()
        await story.close()
    assert len(ground.confided) >= 4
    assert not [secret for secret in ground.confided if secret in said]


async def test_a_token_for_another_cluster_of_amazon_is_not_taken(scene: Scene) -> None:
    """What one cluster is shown is of no use at another: the cluster's name is signed."""
    way = scene.eks_keys()
    way.renew()
    way.ref["eks"]["clusterName"] = "another"
    async with connected(scene.cluster) as own:
        story = Story(way, scene, own, "/version")
        assert "(401)" in await story.failed(Reason.UNAUTHORISED)
        await story.close()


def preflight(
    file: Path, kubeconfig: Path, environment: dict[str, str]
) -> tuple[dict[str, dict[str, Any]], str]:
    """Run the command as a person does: its checks by name, and all that it said."""
    program = str(Path(sys.executable).with_name("cutover"))
    command = [program, "preflight", str(file), "--output=json"]
    done = subprocess.run(
        [*command, f"--kubeconfig={kubeconfig}", "--timeout=60"],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    checks = json.loads(done.stdout)["checks"]
    return {one["name"]: one for one in checks}, done.stdout + done.stderr


def test_preflight_reaches_clusters_of_two_clouds_and_names_the_secrets_that_they_refuse(
    lab: Lab, scene: Scene, tmp_path: Path
) -> None:
    install(lab)
    source, target = scene.aks_secret(), scene.gke_key()
    source.renew()
    target.renew()
    kubeconfig, file = tmp_path / "kubeconfig", tmp_path / "rollout.json"
    kubeconfig.write_text(scene.cluster.kubeconfig_for(namespace=scene.namespace))
    prometheus = {"address": "http://127.0.0.1:9"}
    rollout = {
        "apiVersion": "cutover.dev/v1alpha1",
        "kind": "MigrationRollout",
        "metadata": {"name": "chat", "namespace": scene.namespace},
        "spec": {
            "source": {
                "cluster": source.ref,
                "prometheus": prometheus | {"matchers": {"side": "source"}},
            },
            "target": {
                "cluster": target.ref,
                "prometheus": prometheus | {"matchers": {"side": "target"}},
            },
            "traffic": {
                "httpRoute": {
                    "name": "chat",
                    "sourceBackend": {"name": "a"},
                    "targetBackend": {"name": "b"},
                }
            },
        },
    }
    file.write_text(json.dumps(rollout))
    checks, said = preflight(file, kubeconfig, scene.environment)
    assert [checks[f"{side} cluster"]["state"] for side in ("source", "target")] == [
        "Passed",
        "Passed",
    ], said
    source.spoil()
    target.spoil()
    checks, more = preflight(file, kubeconfig, scene.environment)
    for way, side in ((source, "source"), (target, "target")):
        check = checks[f"{side} cluster"]
        assert check["state"] == "Failed"
        assert way.named in check["message"]
        assert way.refusal in check["message"]
    assert not [secret for secret in scene.clouds.ground.confided if secret in said + more]


async def test_our_own_identity_is_shown_to_no_cloud_for_an_address_that_it_is_not_lent_to(
    scene: Scene,
) -> None:
    async with connected(scene.cluster) as own:
        for way in (scene.eks_web_identity(), scene.gke_metadata(), scene.aks_workload_identity()):
            way.renew()
            issuer = scene.issuer(way.environment)
            lent = Holder(
                own,
                lambda way=way: way.ref,  # type: ignore[misc]
                scene.namespace,
                "/version",
                issuer=issuer,
                identity_servers=["*.eks.amazonaws.com", "*.azmk8s.io"],
            )
            refusal = await lent.connect()
            assert isinstance(refusal, Refusal)
            assert refusal.reason == "IdentityNotLent"
            assert "is not lent to 127.0.0.1" in refusal.message
            await lent.clusters.close()
            await issuer.aclose()
    ground = scene.clouds.ground
    assert (ground.given, ground.refused, ground.reviewed) == (0, 0, [])
