"""A target that Argo CD knows, with credentials that are refused, mended, and told by nobody."""

import base64
import json
import uuid

import pytest

from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR

pytestmark = pytest.mark.lab


def cluster_secret(stage: Stage, token: str) -> None:
    """As `argocd cluster add` writes it, and labelled for rollouts by its owner."""
    target = stage.lab.target
    ca = base64.b64encode(target.ca_pem.encode()).decode()
    config = {"bearerToken": token, "tlsClientConfig": {"insecure": False, "caData": ca}}
    stage.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cluster-gke",
                "namespace": stage.namespace,
                "labels": {
                    "argocd.argoproj.io/secret-type": "cluster",
                    "cutover.dev/use": "true",
                },
            },
            "stringData": {"name": "gke", "server": target.server, "config": json.dumps(config)},
        }
    )


def test_credentials_that_are_refused_are_named_by_secret_and_key_and_never_told(
    stage: Stage,
) -> None:
    wrong, right = uuid.uuid4().hex, stage.lab.target.add_token(OPERATOR)
    cluster_secret(stage, wrong)
    target = stage.spec()["target"]
    target["cluster"] = {"argocdClusterRef": {"name": "cluster-gke", "namespace": stage.namespace}}
    operator = stage.run_operator()
    stage.apply(target=target)
    refused = stage.wait_condition("TargetReachable", "False", seconds=60)
    named = f"credentials of Secret {stage.namespace}/cluster-gke key config (401): renew them"
    assert named in refused["message"]
    assert refused["reason"] == "Unauthorised"
    cluster_secret(stage, right)
    stage.wait_condition("TargetReachable", "True", seconds=60)
    told = json.dumps(stage.get()) + json.dumps(stage.events()) + operator.log.read_text()
    assert wrong not in told
    assert right not in told
