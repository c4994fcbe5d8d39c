"""One API server, reached as the person's kubeconfig says.

The kubeconfig is read by the ``kubernetes`` package and not by kubectl, because ``cutover`` must
work where there is no kubectl; the package runs people's exec plugins, refreshes OIDC tokens and
knows proxies and TLS server names. (The operator refuses exec entries: it is not a person.) Of its
clients only the plain HTTP one is used; objects stay the mappings that the API server sent.
"""
# mypy: disable-error-code="no-untyped-call"
# (the package's reading of kubeconfigs has no types)

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes.client import exceptions as kubernetes_errors
from kubernetes.config import kube_config

from cutover.cli.errors import (
    CliError,
    ConflictError,
    NotThereError,
    RefusedError,
    UnreachableError,
)
from cutover.cli.options import Where
from cutover.clusters.access import Access

DEADLINES: Final = (5.0, 20.0)
"""Seconds to connect and to wait for an answer."""

POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_INVALID: Final = re.compile(r'^Invalid value: ("(\\.|[^"\\])*"|[^:]*): ')

Query = Iterable[tuple[str, str]]
Request = tuple[str, str, Query, dict[str, str], Mapping[str, Any] | None]
"""Method, path, query, headers, body."""


class Connection:
    """Requests to one API server; every one has a deadline."""

    def __init__(self, configuration: Any, namespace: str, host: str) -> None:
        self.namespace = namespace
        self.host = host
        self._client = kubernetes_client.ApiClient(configuration)
        self._client.user_agent = "cutover"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """Return the decoded answer, or raise what ``errors`` has for anything but success."""
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body else {})
        request = (method, path, query, headers, body)
        with closing(self._send(request, DEADLINES)) as answer:
            with self._answering():
                content = answer.read()
            if answer.status >= 400:
                raise self._refusal(answer.status, content)
        return _decode(content)

    def lines(self, path: str, *, query: Query, seconds: float) -> Iterator[dict[str, Any]]:
        """Return a watch's events, for as long as the server keeps it open."""
        request = ("GET", path, query, {"Accept": "application/json"}, None)
        with closing(self._send(request, (DEADLINES[0], seconds + 10))) as answer:
            if answer.status >= 400:
                raise self._refusal(answer.status, answer.read())
            with self._answering():
                yield from map(_decode, _split(answer.response.stream(None)))

    def _send(self, request: Request, deadlines: tuple[float, float]) -> Any:
        method, path, query, headers, body = request
        with _credentials():
            serialized = self._client.param_serialize(
                method,
                path,
                query_params=list(query),
                header_params=headers,
                body=None if body is None else json.dumps(body),
                auth_settings=["BearerToken"],
            )
        with self._answering():
            return self._client.call_api(*serialized, _request_timeout=deadlines)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (urllib3.exceptions.HTTPError, kubernetes_errors.ApiException) as error:
            why = _why(error)
            raise UnreachableError(f"the API server {self.host} gives no answer: {why}") from error

    def _refusal(self, code: int, content: bytes) -> RefusedError:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        if not isinstance(answer, dict):
            answer = {}
        said = str(answer.get("message") or content.decode(errors="replace").strip() or code)
        if code == 404:
            return NotThereError(said, code, answer)
        if code == 409:
            return ConflictError(said, code, answer)
        if code == 422:
            return RefusedError(_inadmissible(answer) or said, code, answer)
        if code == 401:
            return RefusedError(
                f"{self.host} does not accept your credentials: {said}", code, answer
            )
        return RefusedError(said, code, answer)


def connect(where: Where) -> Connection:
    """Read the kubeconfig, or inside a pod the service account, and make ready to ask."""
    # A connection that fails is told once, by us; not by the libraries' warnings as well.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration = kubernetes_client.Configuration()
    try:
        with _credentials():
            namespace = _load(where, configuration)
    except (kubernetes_config.ConfigException, yaml.YAMLError) as error:
        raise CliError(f"the kubeconfig cannot be used: {_sentence(error)}") from error
    except OSError as error:
        raise CliError(f"the kubeconfig cannot be read: {error}") from error
    configuration.retries = urllib3.Retry(total=2, read=0, backoff_factor=0.2)
    return Connection(configuration, where.namespace or namespace, configuration.host)


def access(where: Where) -> Access:
    """Read the kubeconfig as `connect` does, for the operator's own code to connect with."""
    configuration = kubernetes_client.Configuration()
    try:
        with _credentials():
            _load(where, configuration)
            header = configuration.auth_settings().get("BearerToken", {}).get("value") or ""
        certificate, key, ca = (
            Path(file).read_text(encoding="ascii") if file else None
            for file in (
                configuration.cert_file,
                configuration.key_file,
                configuration.ssl_ca_cert,
            )
        )
    except (kubernetes_config.ConfigException, yaml.YAMLError) as error:
        raise CliError(f"the kubeconfig cannot be used: {_sentence(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"the kubeconfig cannot be read: {error}") from error
    kind, _, token = header.partition(" ")
    if header and kind.lower() != "bearer":
        raise CliError("the kubeconfig's user has neither a token nor a client certificate")
    return Access(
        server=configuration.host.rstrip("/"),
        ca=ca,
        token=token or None,
        certificate=certificate,
        key=key,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        insecure=not configuration.verify_ssl,
    )


def _load(where: Where, configuration: Any) -> str:
    """Fill the configuration and return the context's namespace."""
    if where.kubeconfig and not Path(where.kubeconfig).is_file():
        raise CliError(f"there is no kubeconfig {where.kubeconfig}")
    paths = where.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = kube_config.KubeConfigMerger(paths)
    if files.config is None:
        return _load_pod(configuration)
    loader = kube_config.KubeConfigLoader(
        config_dict=files.config,
        active_context=where.context or _current(files.config_files),
        config_base_path=None,  # relative paths count from the file that holds them
        config_persister=files.save_changes,
    )
    loader.load_and_set(configuration)
    context: Mapping[str, str] = loader.current_context.get("context") or {}
    return context.get("namespace") or "default"


def _current(files: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Choose the current context as kubectl does, the first file's; the package takes the last."""
    names = (content.get("current-context") for content in files.values())
    return next((name for name in names if name), None)


def _load_pod(configuration: Any) -> str:
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise CliError("there is no kubeconfig: set KUBECONFIG, or name a file with --kubeconfig")
    kubernetes_config.load_incluster_config(configuration)
    return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.is_file() else "default"


@contextmanager
def _credentials() -> Iterator[None]:
    """Turn what the package only logs, a credential plugin's failure, into an error."""
    heard = _Heard(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(heard)
    try:
        yield
    finally:
        root.removeHandler(heard)
    if heard.said:
        raise CliError(f"your kubeconfig's credentials cannot be had: {heard.said[0]}")


class _Heard(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(_sentence(record.getMessage()))


def _inadmissible(answer: Mapping[str, Any]) -> str:
    """Write what admission says without the API server's words around it."""
    causes = (answer.get("details") or {}).get("causes") or []
    told = [
        f"{one['field']}: {_INVALID.sub('', one.get('message', ''))}"
        for one in causes
        if one.get("field") not in (None, "", "<nil>")
    ]
    return f"refused: {'; '.join(told)}" if told else ""


def _decode(content: bytes) -> dict[str, Any]:
    # Others' words are shown on a person's terminal: none may steer it (kubectl does the same).
    decoded: dict[str, Any] = json.loads(content.replace(rb"\u001b", b"^["))
    return decoded


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, whole)


def _why(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return f"nothing came within {DEADLINES[1]:.0f} s"
    refused = isinstance(cause, urllib3.exceptions.NewConnectionError)  # which is a timeout as well
    if isinstance(cause, urllib3.exceptions.ConnectTimeoutError) and not refused:
        return f"no connection within {DEADLINES[0]:.0f} s"
    return _sentence(cause).rsplit("] ", 1)[-1].rsplit(": ", 1)[-1].rstrip(")").lower()


def _sentence(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".")
