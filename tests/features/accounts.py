"""How does a test make tokens of a service account, those included that have ended?"""

import time
import uuid
from pathlib import Path

from cutover.clusters.tokens.rs256 import signed_jwt
from tests.lab import Cluster, Lab

ISSUER = "https://kubernetes.default.svc"


class Account:
    """A service account, in a namespace that is made with it."""

    def __init__(self, lab: Lab, cluster: Cluster, namespace: str, name: str) -> None:
        self._key = (Path(lab.description.folder) / "credentials/service-accounts.key").read_text()
        self._namespace = namespace
        self._name = name
        cluster.ensure_namespace(namespace)
        metadata = {"name": name, "namespace": namespace}
        made = cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        self._uid = made["metadata"]["uid"]

    def token(self, audience: str = ISSUER, life: float = 3600) -> str:
        """Signed with the API server's own key, as it would itself; a negative life has ended."""
        now = int(time.time())
        account = {"name": self._name, "uid": self._uid}
        claims = {
            "iss": ISSUER,
            "aud": [audience],
            "sub": f"system:serviceaccount:{self._namespace}:{self._name}",
            "iat": now - 7200,
            "nbf": now - 7200,
            "exp": int(now + life),
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": self._namespace, "serviceaccount": account},
        }
        return signed_jwt(claims, self._key, "")
