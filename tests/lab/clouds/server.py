"""Which of the clouds is asked? One loopback server for all of them, and for an API server's TokenReviews."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lab.clouds.amazon import Amazon
from tests.lab.clouds.entra import Entra
from tests.lab.clouds.google import Google
from tests.lab.clouds.ground import Ground
from tests.lab.cluster import Cluster
from tests.lab.moto import moto

EKS_CLUSTER = "prod"
"""The EKS cluster's name; a token that was signed for another is refused."""
REVIEW = "/review"
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"


class Clouds:
    def __init__(self, url: str, moto_url: str, issuer: Cluster) -> None:
        self.url = url
        self.ground = Ground(partial(_reviewed, issuer))
        self.amazon = Amazon(moto_url, self.ground)
        self.google = Google(url, self.ground)
        self.entra = Entra(self.ground)

    def review_flags(self, folder: Path) -> list[str]:
        """What has an API server ask here who a bearer is; nothing is remembered but its own 10 s."""
        cluster = {"server": f"{self.url}{REVIEW}"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "clouds", "cluster": cluster}],
            "contexts": [{"name": "clouds", "context": {"cluster": "clouds", "user": ""}}],
            "current-context": "clouds",
        }
        path = folder / "reviews.kubeconfig"
        path.write_text(json.dumps(config))
        return [
            f"--authentication-token-webhook-config-file={path}",
            "--authentication-token-webhook-version=v1",
            "--authentication-token-webhook-cache-ttl=0s",
        ]

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: str
    ) -> tuple[int, str]:
        path, form = urlsplit(target).path, _first(body)
        match method, path.strip("/").split("/"):
            case "POST", [""]:
                return self.amazon.sts(headers, body)
            case "POST", ["google", "token"]:
                return self.google.token(form)
            case "POST", ["google", "sts"]:
                return self.google.exchange(form)
            case "GET", _ if path == _METADATA:
                return self.google.metadata(headers, _first(urlsplit(target).query))
            case "POST", ["v1", "projects", "-", "serviceAccounts", account]:
                return self.google.impersonate(account.partition(":")[0], headers, body)
            case "POST", [tenant, "oauth2", "v2.0", "token"]:
                return self.entra.token(tenant, form)
            case "POST", ["review"]:
                return 200, json.dumps(self._review(json.loads(body)))
            case _:
                return 404, "{}"

    def _review(self, review: dict[str, Any]) -> dict[str, Any]:
        token = review["spec"]["token"]
        self.ground.confided.add(token)
        user = (
            self.amazon.identify(token, EKS_CLUSTER)
            or self.google.identify(token)
            or self.entra.identify(token)
        )
        self.ground.reviewed.append(user)
        status = {"authenticated": user is not None, "user": {"username": user or ""}}
        return {"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}


@contextmanager
def clouds(folder: Path, issuer: Cluster) -> Iterator[Clouds]:
    """``issuer``: the cluster whose projected tokens the clouds trust."""
    with moto(folder) as moto_url, http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as s:
        s.daemon_threads = True
        made = Clouds(f"http://127.0.0.1:{s.server_port}", moto_url, issuer)
        s.RequestHandlerClass = partial(_Handler, made)
        thread = threading.Thread(target=partial(s.serve_forever, poll_interval=0.05))
        thread.start()
        try:
            yield made
        finally:
            s.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, clouds: Clouds, *arguments: Any) -> None:
        self._clouds = clouds
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, body: str) -> None:
        headers = {name.title(): value for name, value in self.headers.items()}
        status, text = self._clouds.answer(self.command, self.path, headers, body)
        content = text.encode()
        self.send_response(status)
        kind = "text/xml" if text.startswith("<") else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _reviewed(issuer: Cluster, token: str, audience: str) -> str | None:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    }
    found = issuer.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    status = found["status"]
    return str(status["user"]["username"]) if status.get("authenticated") else None


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
