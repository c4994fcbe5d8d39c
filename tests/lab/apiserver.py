"""How is a real API server, with its etcd, started?"""

import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.lab.children import Child
from tests.lab.credentials import Credentials


def start_etcd(program: Path, folder: Path, port: int, peer_port: int) -> Child:
    url, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return Child(
        "etcd",
        [
            program,
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        folder / "etcd.log",
    )


def start_apiserver(
    program: Path,
    name: str,
    folder: Path,
    credentials: Credentials,
    *,
    etcd_port: int,
    port: int,
    flags: Sequence[str] = (),
) -> Child:
    """RBAC is on and the certificate is real; no controllers run, so nothing is garbage collected."""
    return Child(
        f"kube-apiserver-{name}",
        [
            program,
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            f"--etcd-prefix=/{name}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={folder / f'certs-{name}'}",
            f"--tls-cert-file={credentials.certificate}",
            f"--tls-private-key-file={credentials.key}",
            f"--token-auth-file={credentials.token_file}",
            f"--service-account-key-file={credentials.signing_key}",
            f"--service-account-signing-key-file={credentials.signing_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.99.0.0/24",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            *flags,
        ],
        folder / f"kube-apiserver-{name}.log",
    )


def is_ready(port: int, credentials: Credentials) -> bool:
    headers = {"Authorization": f"Bearer {credentials.tokens['admin']}"}
    try:
        answer = httpx.get(
            f"https://127.0.0.1:{port}/readyz",
            headers=headers,
            verify=_context(credentials),
            timeout=2,
            trust_env=False,
        )
    except (httpx.HTTPError, OSError):
        return False
    return answer.status_code == 200


def _context(credentials: Credentials) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(credentials.ca))
