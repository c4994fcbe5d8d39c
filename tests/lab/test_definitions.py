"""The custom resource definitions of other projects are such as a real API server takes."""

from functools import partial

import pytest

from tests.lab import Lab, parts
from tests.lab.routes import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.long]

DEFINITIONS = {
    "istio-crds": ("virtualservices.networking.istio.io", "serviceentries.networking.istio.io"),
    "traefik-crds": ("traefikservices.traefik.io",),
    "external-dns-crds": ("dnsendpoints.externaldns.k8s.io",),
    "envoy-gateway-crds": ("backends.gateway.envoyproxy.io",),
    "inference-crds": ("inferencepools.inference.networking.k8s.io",),
    "service-import-crds": ("serviceimports.multicluster.x-k8s.io",),
    "cluster-profile-crds": ("clusterprofiles.multicluster.x-k8s.io",),
    "kserve-crds": (
        "inferenceservices.serving.kserve.io",
        "llminferenceservices.serving.kserve.io",
    ),
    "keda-crds": ("scaledobjects.keda.sh",),
}


def test_every_definition_is_established(lab: Lab) -> None:
    folders = parts.ensure(DEFINITIONS)
    with lab.private_cluster() as running:
        cluster = running.cluster
        for part, names in DEFINITIONS.items():
            cluster.kubectl("apply", "--server-side", f"--filename={folders[part]}")
            for name in names:
                wait_for(partial(cluster.is_established, name), name, 60)


def test_no_part_of_definitions_is_left_out() -> None:
    assert set(DEFINITIONS) == {
        part.name for part in parts.PARTS.values() if part.module == "definitions"
    }
