"""PURE: a cluster Secret of Argo CD becomes an `Access`, or a sentence that says why it cannot be used.

Its fields: https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters.
``awsAuthConfig`` and the command ``argocd-k8s-auth`` are not run; they say the same as a login of ours.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cutover.api.clusters import AKS_SERVER
from cutover.clusters.access import Access, Names, Unusable, UnusableError, read_access
from cutover.clusters.logins import AksLogin, AwsKeys, EksLogin, GkeLogin, Login

TYPE_LABEL: Final = "argocd.argoproj.io/secret-type"
NAMES: Final = Names(
    ca="tlsClientConfig.caData",
    certificate="tlsClientConfig.certData",
    key="tlsClientConfig.keyData",
    server="server",
    server_name="tlsClientConfig.serverName",
    proxy="proxyUrl",
    insecure="tlsClientConfig.insecure",
    token="bearerToken",  # noqa: S106 - a field's name
)
_COMMAND: Final = "argocd-k8s-auth"
_EKS_HOST: Final = re.compile(
    r"^https://[^/:]+\.([a-z0-9-]+)\.eks\.amazonaws\.com(?:\.cn)?(?::\d+)?$"
)
_AUTHORITIES: Final = {
    "AzurePublicCloud": "https://login.microsoftonline.com/",
    "AzureChinaCloud": "https://login.chinacloudapi.cn/",
    "AzureUSGovernmentCloud": "https://login.microsoftonline.us/",
}
_PROJECTED: Final = "/var/run/secrets/azure/tokens/azure-identity-token"

Environment = Mapping[str, str]


def parse_argocd(
    values: Mapping[str, str], where: str, *, allow_insecure: bool = False
) -> Access | Unusable:
    """Read the keys ``server`` and ``config``; ``where`` names the Secret."""
    try:
        config = _config(values.get("config", ""))
        tls = _part(config, "tlsClientConfig")
        server = values.get("server", "").strip().rstrip("/")
        login = _login(config, server)
        cluster = {
            "server": server,
            "certificate-authority-data": tls.get("caData"),
            "tls-server-name": tls.get("serverName"),
            "insecure-skip-tls-verify": tls.get("insecure"),
            "proxy-url": config.get("proxyUrl"),
        }
        user = {
            "token": config.get("bearerToken"),
            "username": config.get("username"),
            "password": config.get("password"),
            "client-certificate-data": tls.get("certData"),
            "client-key-data": tls.get("keyData"),
        }
        return read_access(cluster, user, names=NAMES, allow_insecure=allow_insecure, login=login)
    except UnusableError as unusable:
        return Unusable(f"{where}: {unusable}")


def _config(text: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None  # the parser's own words would quote the content
    if not isinstance(config, dict):
        raise UnusableError("its key config is no JSON object: write it as Argo CD documents it")
    return config


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = config.get(name) or {}
    if not isinstance(part, dict):
        raise UnusableError(f"{name} of its config is no JSON object: correct it")
    return part


def _login(config: Mapping[str, Any], server: str) -> Login | None:
    aws, command = _part(config, "awsAuthConfig"), _part(config, "execProviderConfig")
    if aws:
        if aws.get("profile"):
            raise UnusableError(
                "awsAuthConfig.profile names a file of AWS' command line, which the operator does not"
                " read: use roleARN, or the operator's own identity"
            )
        return _eks(str(aws.get("clusterName") or ""), _text(aws, "roleARN"), {}, server)
    if not command:
        return None
    if command.get("command") != _COMMAND:
        raise UnusableError(
            f"execProviderConfig is never run; only {_COMMAND} is known, and replaced by the"
            " operator's own tokens: put a bearerToken in its place"
        )
    arguments = command.get("args") or []
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise UnusableError("execProviderConfig.args is no list of texts: correct it")
    return _of_command(arguments, _environment(command.get("env") or {}), server)


def _environment(given: object) -> Environment:
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise UnusableError("execProviderConfig.env is no object of texts: correct it")
    return {str(name): value for name, value in given.items()}


def _of_command(arguments: Sequence[str], environment: Environment, server: str) -> Login:
    kind, flags = (arguments[0], _flags(arguments[1:])) if arguments else ("", {})
    match kind:
        case "aws":
            _refuse_others(flags, "--cluster-name", "--role-arn", of="args")
            return _eks(
                flags.get("--cluster-name", ""), flags.get("--role-arn"), environment, server
            )
        case "gcp":
            _refuse_others(flags, of="args")
            _refuse_others(environment, of="env")
            return GkeLogin()
        case "azure":
            _refuse_others(flags, of="args")
            return _aks(environment)
        case _:
            raise UnusableError(
                f"execProviderConfig runs {_COMMAND} for something else than aws, gcp or azure:"
                " put a bearerToken in its place"
            )


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Read ``--name value`` and ``--name=value``."""
    flags: dict[str, str] = {}
    left = list(arguments)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if not equals:
            value = left.pop(0) if left else ""
        flags[name] = value
    return flags


def _refuse_others(given: Mapping[str, str], *known: str, of: str) -> None:
    for name in given:
        if name not in known:
            raise UnusableError(
                f"execProviderConfig.{of} has {name}, which has no counterpart here: remove it, or"
                " name the cluster by eks, gke or aks"
            )


def _eks(cluster: str, role: str | None, environment: Environment, server: str) -> EksLogin:
    if not cluster:
        raise UnusableError("it names no EKS cluster (clusterName, --cluster-name): add it")
    region, key, secret = "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
    session, older = "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"
    _refuse_others(environment, region, older, key, secret, session, of="env")
    keys = None
    if key in environment or secret in environment:
        if not (environment.get(key) and environment.get(secret)):
            raise UnusableError(f"execProviderConfig.env needs both {key} and {secret}")
        keys = AwsKeys(environment[key], environment[secret], environment.get(session))
    host = _EKS_HOST.match(server)
    given = environment.get(region) or environment.get(older)
    return EksLogin(cluster, given or (host[1] if host else None), role or None, keys)


def _aks(environment: Environment) -> AksLogin:
    principal, secret = "AAD_SERVICE_PRINCIPAL_CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"
    _refuse_others(
        environment,
        *("AAD_LOGIN_METHOD", "AAD_ENVIRONMENT_NAME", "AAD_SERVER_APPLICATION_ID"),
        *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST"),
        *("AZURE_FEDERATED_TOKEN_FILE", principal, secret),
        of="env",
    )
    method = environment.get("AAD_LOGIN_METHOD", "workloadidentity")
    if method not in {"workloadidentity", "spn"}:
        raise UnusableError(
            "AAD_LOGIN_METHOD of execProviderConfig.env must be workloadidentity or spn: other"
            " methods need a person or a node's own identity"
        )
    if environment.get("AZURE_FEDERATED_TOKEN_FILE", _PROJECTED) != _PROJECTED:
        raise UnusableError(
            "AZURE_FEDERATED_TOKEN_FILE of execProviderConfig.env names a file of the operator: remove"
            " it, the operator's own is used"
        )
    given = None
    if method == "spn":
        given = environment.get(secret) or environment.get("AZURE_CLIENT_SECRET")
        if not given:
            raise UnusableError(f"AAD_LOGIN_METHOD spn needs {secret} in execProviderConfig.env")
    return AksLogin(
        server=environment.get("AAD_SERVER_APPLICATION_ID", AKS_SERVER),
        tenant=environment.get("AZURE_TENANT_ID"),
        client=environment.get(principal) or environment.get("AZURE_CLIENT_ID"),
        secret=given,
        authority=_authority(environment),
    )


def _authority(environment: Environment) -> str | None:
    """Only Microsoft's own: the operator's projected token is sent there."""
    named = environment.get("AAD_ENVIRONMENT_NAME")
    if named is not None and named not in _AUTHORITIES:
        raise UnusableError(
            f"AAD_ENVIRONMENT_NAME of execProviderConfig.env must be one of {', '.join(_AUTHORITIES)}"
        )
    given = environment.get("AZURE_AUTHORITY_HOST")
    if given is None:
        return _AUTHORITIES[named] if named else None
    if f"{given.rstrip('/')}/" not in _AUTHORITIES.values():
        raise UnusableError(
            "AZURE_AUTHORITY_HOST of execProviderConfig.env is none of Microsoft's: remove it"
        )
    return given


def _text(part: Mapping[str, Any], name: str) -> str | None:
    value = part.get(name)
    if value is not None and not isinstance(value, str):
        raise UnusableError(f"{name} of its config must be text")
    return value
