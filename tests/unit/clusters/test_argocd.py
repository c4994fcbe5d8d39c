"""Cluster Secrets of Argo CD: what each becomes, and what is refused."""

import base64
import json
from typing import Any

import pytest

from cutover.clusters.access import Access, Unusable
from cutover.clusters.argocd import parse_argocd
from cutover.clusters.logins import AksLogin, AwsKeys, EksLogin, GkeLogin

WHERE = "Secret argocd/cluster-gke key config"
SERVER = "https://gke.example"
EKS = "https://ABC.gr7.eu-west-1.eks.amazonaws.com"
AKS = "6dae42f8-4368-4678-94ff-3960e28e3630"
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n").decode()
KEY = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n").decode()


def read(config: Any, server: str = SERVER, *, insecure: bool = False) -> Access | Unusable:
    text = config if isinstance(config, str) else json.dumps(config)
    return parse_argocd({"server": server, "config": text}, WHERE, allow_insecure=insecure)


def usable(config: Any, server: str = SERVER) -> Access:
    access = read(config, server)
    assert isinstance(access, Access), access
    return access


def command(*arguments: str, **environment: str) -> dict[str, Any]:
    return {
        "execProviderConfig": {
            "command": "argocd-k8s-auth",
            "args": list(arguments),
            "env": environment,
            "apiVersion": "client.authentication.k8s.io/v1beta1",
        }
    }


def test_a_token_with_everything_about_tls() -> None:
    tls = {"caData": PEM, "serverName": "api.internal", "insecure": False}
    config = {"bearerToken": "abc", "tlsClientConfig": tls, "proxyUrl": "http://proxy:3128"}
    access = usable(config, f"{SERVER}/")
    assert (access.server, access.token) == (SERVER, "abc")
    assert access.ca is not None
    assert (access.tls_server_name, access.proxy) == ("api.internal", "http://proxy:3128")


def test_a_client_certificate_and_a_password() -> None:
    access = usable({"tlsClientConfig": {"certData": PEM, "keyData": KEY}})
    assert access.certificate is not None
    basic = usable({"username": "ann", "password": "pw", "tlsClientConfig": None})
    assert (basic.username, basic.password) == ("ann", "pw")


@pytest.mark.parametrize(
    ("config", "server", "login"),
    [
        pytest.param(
            {"awsAuthConfig": {"clusterName": "prod", "roleARN": "arn:aws:iam::1:role/r"}},
            EKS,
            EksLogin("prod", "eu-west-1", "arn:aws:iam::1:role/r"),
            id="awsAuthConfig",
        ),
        pytest.param(
            command("aws", "--cluster-name", "prod", "--role-arn=arn:r"),
            SERVER,
            EksLogin("prod", None, "arn:r"),
            id="aws",
        ),
        pytest.param(
            command(
                *("aws", "--cluster-name", "prod"),
                AWS_REGION="us-east-2",
                AWS_ACCESS_KEY_ID="AK",
                AWS_SECRET_ACCESS_KEY="sk",
            ),
            EKS,
            EksLogin("prod", "us-east-2", None, AwsKeys("AK", "sk")),
            id="aws-keys",
        ),
        pytest.param(command("gcp"), SERVER, GkeLogin(), id="gcp"),
        pytest.param(command("azure"), SERVER, AksLogin(AKS), id="azure"),
        pytest.param(
            command(
                "azure",
                AAD_LOGIN_METHOD="workloadidentity",
                AAD_ENVIRONMENT_NAME="AzurePublicCloud",
                AZURE_CLIENT_ID="c",
                AZURE_TENANT_ID="t",
                AZURE_FEDERATED_TOKEN_FILE="/var/run/secrets/azure/tokens/azure-identity-token",
                AZURE_AUTHORITY_HOST="https://login.microsoftonline.com/",
            ),
            SERVER,
            AksLogin(AKS, "t", "c", None, "https://login.microsoftonline.com/"),
            id="azure-workload-identity",
        ),
        pytest.param(
            command(
                "azure",
                AAD_LOGIN_METHOD="spn",
                AAD_SERVICE_PRINCIPAL_CLIENT_ID="c",
                AAD_SERVICE_PRINCIPAL_CLIENT_SECRET="s",
                AZURE_TENANT_ID="t",
            ),
            SERVER,
            AksLogin(AKS, "t", "c", "s"),
            id="azure-principal",
        ),
    ],
)
def test_commands_become_logins_of_our_own(config: Any, server: str, login: Any) -> None:
    assert usable(config, server).login == login


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param("{not json", "no JSON object", id="garbled"),
        pytest.param({}, "there are no credentials: give bearerToken", id="in-cluster"),
        pytest.param(
            {"bearerToken": "x", "tlsClientConfig": {"insecure": True}},
            "tlsClientConfig.insecure",
            id="insecure",
        ),
        pytest.param(
            {"bearerToken": "x", "tlsClientConfig": {"caData": "hush"}},
            "tlsClientConfig.caData",
            id="ca",
        ),
        pytest.param(
            {"tlsClientConfig": {"certData": PEM}}, "tlsClientConfig.keyData", id="half-a-pair"
        ),
        pytest.param({"bearerToken": "hush hush"}, "bearerToken", id="token"),
        pytest.param({"bearerToken": "x", "proxyUrl": "socks5://hush"}, "proxyUrl", id="proxy"),
        pytest.param({"awsAuthConfig": {"roleARN": "r"}}, "no EKS cluster", id="no-cluster"),
        pytest.param(
            {"awsAuthConfig": {"clusterName": "c", "profile": "p"}}, "profile", id="profile"
        ),
        pytest.param(
            {"execProviderConfig": {"command": "/bin/sh", "args": ["-c", "hush"]}},
            "never run",
            id="another-command",
        ),
        pytest.param(command("oidc"), "something else than aws, gcp or azure", id="oidc"),
        pytest.param(command(), "something else than aws, gcp or azure", id="nothing"),
        pytest.param(command("aws", "--hush", "x"), "has --hush", id="flag"),
        pytest.param(
            command("gcp", GOOGLE_APPLICATION_CREDENTIALS="/x"), "no counterpart", id="env"
        ),
        pytest.param(command("azure", AAD_LOGIN_METHOD="msi"), "or spn", id="method"),
        pytest.param(command("azure", AAD_LOGIN_METHOD="spn"), "needs AAD_SERVICE", id="spn"),
        pytest.param(
            command("azure", AZURE_FEDERATED_TOKEN_FILE="/var/run/secrets/hush"),
            "a file of the operator",
            id="file",
        ),
        pytest.param(
            command("azure", AZURE_AUTHORITY_HOST="https://evil.example/"),
            "none of Microsoft's",
            id="authority",
        ),
    ],
)
def test_anything_else_is_refused_with_a_sentence_that_keeps_its_content(
    config: Any, words: str
) -> None:
    refused = read(config)
    assert isinstance(refused, Unusable)
    assert refused.message.startswith(f"{WHERE}: ")
    assert words in refused.message
    assert "hush" not in refused.message.replace("has --hush", "")
