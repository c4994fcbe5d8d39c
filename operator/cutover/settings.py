"""How is the operator itself set? Flags, each with a twin in the environment; the flag wins.

A value that cannot be understood is refused with the names of its flag and variable; nothing is
ever replaced by a default.
"""

import argparse
import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cutover.errors import ConfigurationError
from cutover.logs import Format

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""What a kubelet mounts into every pod."""

_LEVELS = ("debug", "info", "warning", "error")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9.:]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where health, readiness, metrics and the web page are served."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set."""

    lease_namespace: str
    """Where the leader's Lease is."""
    listen: Listen = Listen("0.0.0.0", 8080)  # noqa: S104 - probes and scrapes come from outside
    watch_namespaces: tuple[str, ...] = ()
    """Empty: all."""
    secret_namespaces: tuple[str, ...] = ()
    """Namespaces besides the rollout's own from which Secrets may be read."""
    identity_servers: tuple[str, ...] = ()
    """Hosts of API servers, with a * if need be, to which the operator's own cloud identity is lent."""
    allow_insecure_tls: bool = False
    log_level: str = "info"
    log_format: Format = "json"


@dataclass(frozen=True, slots=True)
class _Setting:
    """One flag and its twin."""

    field: str
    looks: str
    read: Callable[[str], Any]
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        return "CUTOVER_" + self.field.upper()

    def value(self, text: str) -> Any:
        """Understand ``text`` or say what is wrong with it."""
        try:
            return self.read(_something(text))
        except ValueError as fault:
            said = f"{self.flag} ({self.variable}) {fault}"
            raise ConfigurationError(said) from None


# --- how each is read ---------------------------------------------------------------------------


def _something(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; leave it out for the default")
    return text.strip()


def _listen(text: str) -> Listen:
    host, colon, port = text.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not colon or not 0 <= number <= 65535 or (":" in host and not host.startswith("[")):
        raise ValueError(f"must be HOST:PORT such as 0.0.0.0:8080 or [::]:8080, not {text!r}")
    return Listen(host.strip("[]") or "0.0.0.0", number)  # noqa: S104 - as above


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(f"names {text!r}, which is no namespace: a-z, 0-9 and - only")
    return text


def _namespaces(text: str) -> tuple[str, ...]:
    names = [_namespace(part.strip()) for part in text.split(",")]
    return tuple(dict.fromkeys(names))


def _hosts(text: str) -> tuple[str, ...]:
    hosts = [part.strip().lower() for part in text.split(",")]
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ValueError(
                f"names {host!r}, which is no host such as 10.0.0.2 or *.eks.amazonaws.com"
            )
    return tuple(dict.fromkeys(hosts))


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {text!r}")
        return text.lower()

    return read


def _yes_or_no(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


_SETTINGS = (
    _Setting("listen", "HOST:PORT", _listen, "health, metrics and web page (0.0.0.0:8080)"),
    _Setting("watch_namespaces", "NAME,…", _namespaces, "namespaces to watch (all)"),
    _Setting("lease_namespace", "NAME", _namespace, "of the leader's Lease (the pod's namespace)"),
    _Setting(
        "secret_namespaces", "NAME,…", _namespaces, "where else Secrets may be read (nowhere)"
    ),
    _Setting(
        "identity_servers",
        "HOST,…",
        _hosts,
        "API servers that get tokens of the operator's own cloud identity (none)",
    ),
    _Setting("allow_insecure_tls", "true|false", _yes_or_no, "accept unverified TLS (false)"),
    _Setting("log_level", "|".join(_LEVELS), _one_of(*_LEVELS), "least to be logged (info)"),
    _Setting("log_format", "json|text", _one_of("json", "text"), "one line a record (json)"),
)


# --- all together -------------------------------------------------------------------------------


def read_settings(
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Settings:
    """Understand the command line and the environment, or raise ConfigurationError."""
    _refuse_misspelt(environment)
    given = vars(_parser().parse_args(arguments))
    values: dict[str, Any] = {}
    for setting in _SETTINGS:
        text = given[setting.field]
        if text is None:
            text = environment.get(setting.variable)
        if text is not None:
            values[setting.field] = setting.value(text)
    if "lease_namespace" not in values:
        values["lease_namespace"] = _pod_namespace(environment, service_account)
    return Settings(**values)


def _pod_namespace(environment: Mapping[str, str], service_account: Path) -> str:
    """Return the namespace that this process runs in."""
    if pod := environment.get("POD_NAMESPACE", "").strip():
        try:
            return _namespace(pod)
        except ValueError as fault:
            raise ConfigurationError(f"POD_NAMESPACE {fault}") from None
    try:
        return _namespace((service_account / "namespace").read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        raise ConfigurationError(
            "--lease-namespace (CUTOVER_LEASE_NAMESPACE) is needed outside a cluster:"
            " it says where the leader's Lease is"
        ) from None


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly one of ours.

    Others that begin with CUTOVER_ are left alone: Kubernetes itself sets some of those
    (``CUTOVER_SERVICE_HOST``) in every pod beside a Service called cutover.
    """
    known = [setting.variable for setting in _SETTINGS]
    for name in environment:
        if name.startswith("CUTOVER_") and name not in known:
            meant = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if meant:
                raise ConfigurationError(f"{name} is no setting; {meant[0]} is")


class _Parser(argparse.ArgumentParser):
    """Argparse that raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}; see python -m cutover --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m cutover",
        description="Move AI inference traffic between clusters, step by step.",
        epilog="Each flag has a twin in the environment, e.g. CUTOVER_LOG_LEVEL; the flag wins."
        " Outside a cluster, KUBECONFIG says where the API server is.",
        allow_abbrev=False,
    )
    for setting in _SETTINGS:
        alone = "true" if setting.read is _yes_or_no else None
        parser.add_argument(
            setting.flag,
            metavar=setting.looks,
            help=setting.help,
            nargs="?" if alone else None,
            const=alone,
        )
    return parser
