"""How does a test speak to one of the clusters?"""

import json
import ssl
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.lab.credentials import kubeconfig
from tests.lab.description import ClusterDescription

FIELD_MANAGER = "lab"
PLURALS = {
    "Gateway": "gateways",
    "GatewayClass": "gatewayclasses",
    "HTTPRoute": "httproutes",
    "NetworkPolicy": "networkpolicies",
    "ServiceEntry": "serviceentries",
    "WorkloadEntry": "workloadentries",
}
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "GatewayClass",
    "Namespace",
}


class KubectlError(Exception):
    """kubectl ended with a code other than 0; the message is what it said."""


@dataclass(frozen=True)
class Cluster:
    name: str
    server: str
    ca_pem: str
    kubeconfig: Path
    kubectl_program: Path
    tokens: dict[str, str] = field(repr=False)

    @classmethod
    def described(cls, description: ClusterDescription) -> "Cluster":
        return cls(
            name=description.name,
            server=description.server,
            ca_pem=Path(description.ca).read_text(),
            kubeconfig=Path(description.kubeconfig),
            kubectl_program=Path(description.kubectl),
            tokens=description.tokens,
        )

    @property
    def admin_token(self) -> str:
        return self.tokens["admin"]

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - as subprocess calls it
        check: bool = True,
    ) -> str:
        """Standard output as the admin; with check=False, standard error follows it."""
        done = subprocess.run(
            [self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout if check else done.stdout + done.stderr

    def kubeconfig_for(
        self,
        user: str = "admin",
        token: str | None = None,
        server: str | None = None,
        namespace: str = "default",
    ) -> str:
        """A kubeconfig's text for a user of the lab, or for any token; `server` may be a proxy."""
        return kubeconfig(
            server or self.server, self.ca_pem, token or self.add_token(user), namespace
        )

    def add_token(self, user: str) -> str:
        """A token for a user of the lab, or for any `system:serviceaccount:NAMESPACE:NAME`."""
        if user in self.tokens:
            return self.tokens[user]
        if not user.startswith("system:serviceaccount:"):
            known = ", ".join(sorted(self.tokens))
            raise KeyError(f"No user {user} (known: {known}); a ServiceAccount can have any name")
        namespace, name = user.split(":")[2:]
        self.ensure_namespace(namespace)
        metadata = {"name": name, "namespace": namespace}
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = str(self.call("POST", path, request)["status"]["token"])
        self.tokens[user] = token
        return token

    def ensure_namespace(self, name: str) -> None:
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """Server-side apply as the field manager `lab`."""
        query = f"?fieldManager={FIELD_MANAGER}&force=true"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self.call("PATCH", path_of(document) + query, document, headers)

    def is_established(self, definition: str) -> bool:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition}"
        conditions = self.call("GET", path).get("status", {}).get("conditions") or []
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request to the API server as the admin; raises httpx.HTTPStatusError."""
        answer = httpx.request(
            method,
            self.server + path,
            content=None if body is None else json.dumps(body),
            headers=self.headers | {"Content-Type": "application/json"} | (headers or {}),
            verify=self.tls,
            timeout=30,
            trust_env=False,
        )
        if answer.is_error:
            message = f"{method} {path}: {answer.status_code} {answer.text}"
            raise httpx.HTTPStatusError(message, request=answer.request, response=answer)
        result: dict[str, Any] = answer.json()
        return result

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.admin_token}"}

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)


def path_of(document: dict[str, Any]) -> str:
    """The path of an object; kinds whose plural is not kind + s are listed above."""
    version, kind, metadata = document["apiVersion"], document["kind"], document["metadata"]
    plural = PLURALS.get(kind, kind.lower() + "s")
    base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    if kind not in CLUSTER_SCOPED:
        base += f"/namespaces/{metadata.get('namespace', 'default')}"
    return f"{base}/{plural}/{metadata['name']}"
