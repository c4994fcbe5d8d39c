"""The operator's own cluster: the account of its pod, or KUBECONFIG outside a cluster."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from cutover.clusters.access import FILES, Access, Unusable
from cutover.clusters.connection import Connection
from cutover.clusters.kubeconfig import entries_in_use, parse
from cutover.clusters.pool import Pool
from cutover.errors import ConfigurationError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def connect_own(
    environment: Mapping[str, str], *, allow_insecure: bool = False, account: Path = ACCOUNT
) -> Connection:
    """Open the connection; raises ConfigurationError with the sentence that ends the process."""
    access = own_access(environment, allow_insecure=allow_insecure, account=account)
    pool = Pool.build(access, "the operator's own cluster")
    if isinstance(pool, Unusable):
        raise ConfigurationError(pool.message)
    return Connection(pool, "operator's own cluster")


def own_access(
    environment: Mapping[str, str], *, allow_insecure: bool = False, account: Path = ACCOUNT
) -> Access:
    """KUBECONFIG where it is set, else the pod's account, else ``~/.kube/config``."""
    named = environment.get("KUBECONFIG")
    if named:
        return _of_file(Path(named), allow_insecure=allow_insecure)
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if host:
        return _of_account(host, environment.get("KUBERNETES_SERVICE_PORT", "443"), account)
    home = environment.get("HOME")
    if home and (Path(home) / ".kube" / "config").is_file():
        return _of_file(Path(home) / ".kube" / "config", allow_insecure=allow_insecure)
    raise ConfigurationError(
        "there is neither a pod's service account nor a kubeconfig: set KUBECONFIG to a file"
    )


def _of_account(host: str, port: str, account: Path) -> Access:
    address = f"[{host}]" if ":" in host else host
    try:
        ca = (account / "ca.crt").read_text(encoding="ascii")
        (account / "token").read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the pod's service account cannot be read from {account}:"
            " set automountServiceAccountToken to true"
        ) from error
    return Access(f"https://{address}:{port}", ca=ca, token_file=str(account / "token"))


def _of_file(path: Path, *, allow_insecure: bool) -> Access:
    try:
        text = _with_files_inlined(path.read_text(encoding="utf-8"), path.parent)
    except (OSError, UnicodeDecodeError) as error:
        file = getattr(error, "filename", None) or path
        raise ConfigurationError(
            f"{file} cannot be read: set KUBECONFIG to one kubeconfig file that names only files"
            " that exist"
        ) from error
    access = parse(text, f"KUBECONFIG {path}", allow_insecure=allow_insecure)
    if isinstance(access, Unusable):
        raise ConfigurationError(access.message)
    return access


def _with_files_inlined(text: str, folder: Path) -> str:
    """Read the files that the operator's own kubeconfig names; a Secret's may name none."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    for entry in entries_in_use(document):
        for name, inline in FILES.items():
            file = entry.pop(name, None)
            if isinstance(file, str) and not entry.get(inline):
                entry[inline] = _content(folder / file, encoded=inline.endswith("-data"))
    return json.dumps(document, default=str)


def _content(file: Path, *, encoded: bool) -> str:
    content = file.read_bytes()
    return base64.b64encode(content).decode() if encoded else content.decode().strip()
