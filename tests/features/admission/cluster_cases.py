"""Cases of the rules on clusters, which are the same wherever a cluster is named."""

from tests.features.admission.case import Case, value_case
from tests.features.admission.rollouts import Json, at

NONE: Json = {"kubeconfigSecretRef": None}
"""The smallest rollout names a target by kubeconfig."""
KUBECONFIG = {"kubeconfigSecretRef": {"name": "gke"}}
ARGOCD = {"argocdClusterRef": {"name": "cluster-gke"}}
PROFILE = {"clusterProfileRef": {"name": "gke"}}
CLOUDS: dict[str, Json] = {
    "eks": {
        "server": "https://ABC.gr7.eu-west-1.eks.amazonaws.com",
        "clusterName": "prod",
        "region": "eu-west-1",
    },
    "gke": {"server": "https://34.1.2.3"},
    "aks": {"server": "https://prod-1234.hcp.westeurope.azmk8s.io:443"},
}


def cluster_cases(place: str) -> list[Case]:
    """The rules on ``place``, such as spec.target.cluster."""
    clouds = [{kind: cloud} for kind, cloud in CLOUDS.items()]
    one = value_case(
        place,
        "name one cluster: at most one of kubeconfigSecretRef, argocdClusterRef",
        [KUBECONFIG | ARGOCD, PROFILE | clouds[0], clouds[1] | clouds[2], KUBECONFIG | clouds[2]],
        [KUBECONFIG, *(NONE | other for other in ({}, ARGOCD, PROFILE, *clouds))],
    )
    return [one, *(case for kind in CLOUDS for case in _cloud_cases(place, kind))]


def _cloud_cases(place: str, kind: str) -> list[Case]:
    carrier = f"{place}.{kind}"

    def changed(**change: str) -> Json:
        return at(place, NONE | {kind: CLOUDS[kind] | change})

    return [
        Case(
            f"{carrier}.{field}",
            f"{carrier}.{field}",
            sentence,
            [changed(**{field: value}) for value in refused],
            [changed(**{field: value}) for value in admitted],
            f"{carrier}.{field}",
        )
        for field, sentence, refused, admitted in (
            (
                "server",
                "write the API server's address without path and credentials",
                [
                    "http://10.0.0.1",
                    "https://ann:pw@10.0.0.1",
                    "https://a.example/k8s",
                    "https:///",
                ],
                ["https://10.0.0.1:6443", "https://a.example/", "https://[fd00::1]:6443"],
            ),
            (
                "caData",
                "write the cluster's CA certificate in PEM, encoded as base64",
                ["-----BEGIN CERTIFICATE-----", "LS0t\nLS1C", "="],
                ["LS0tLS1CRUdJTg=="],
            ),
            (
                "proxyUrl",
                "write the proxy's address without path and credentials",
                ["socks5://proxy:1080", "http://ann:pw@proxy:3128", "http://proxy:3128/x"],
                ["http://proxy:3128", "https://proxy.example"],
            ),
        )
    ]


CLUSTERS = [
    case
    for place in ("spec.source.cluster", "spec.target.cluster", "spec.traffic.cluster")
    for case in cluster_cases(place)
]
