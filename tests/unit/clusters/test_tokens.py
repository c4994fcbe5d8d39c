"""How each cloud is asked for a token, what it is sent, and what is told where it gives none."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cutover.clusters.answers import Reason
from cutover.clusters.logins import AksLogin, AwsKeys, EksLogin, GkeLogin, Login
from cutover.clusters.tokens.granted import LoginError, Token
from cutover.clusters.tokens.issuer import Issuer

SERVER_ID = "6dae42f8-4368-4678-94ff-3960e28e3630"
SECRET = "hush-hush"
STS = """<R><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s&amp;1</SecretAccessKey>
<SessionToken>session-1</SessionToken><Expiration>{ends}</Expiration></Credentials></R>"""
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
Answer = Callable[[Mapping[str, str]], tuple[int, str]]


class Cloud:
    """A token server on loopback: answers by path, remembers what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, Mapping[str, str], Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        sent = {name: values[0] for name, values in parse_qs(text).items()} or text
        self.asked.append((request.path, request.headers, sent))
        status, answer = self.answers.get(request.path, (404, {}))
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=status, text=body)


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def projected(tmp_path: Path) -> str:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    return str(tmp_path / "token")


async def issue(cloud: Cloud, login: Login, **environment: str) -> Token:
    issuer = Issuer(environment, google_iam=cloud.url)
    try:
        return await issuer.issue(login)
    finally:
        await issuer.aclose()


async def refused(cloud: Cloud, login: Login, **environment: str) -> LoginError:
    with pytest.raises(LoginError) as error:
        await issue(cloud, login, **environment)
    assert SECRET not in str(error.value)
    return error.value


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


# --- AWS ------------------------------------------------------------------------------------------

EKS = EksLogin("prod", "eu-west-1")
ROLE = "arn:aws:iam::123456789012:role/mover"


async def test_a_web_identity_becomes_a_token_for_eks(cloud: Cloud, projected: str) -> None:
    cloud.answers["/"] = (200, STS.format(ends=in_an_hour()))
    token = await issue(
        cloud,
        EKS,
        AWS_ROLE_ARN=ROLE,
        AWS_WEB_IDENTITY_TOKEN_FILE=projected,
        AWS_ENDPOINT_URL_STS=cloud.url,
    )
    assert token.value.startswith("k8s-aws-v1.")
    assert token.life == 14 * 60
    sent = cloud.asked[0][2]
    assert sent["Action"] == "AssumeRoleWithWebIdentity"
    assert (sent["RoleArn"], sent["WebIdentityToken"]) == (ROLE, SECRET)
    assert "Authorization" not in cloud.asked[0][1]


async def test_pod_identity_and_a_role_that_is_assumed_with_it(
    cloud: Cloud, projected: str
) -> None:
    keys = {"AccessKeyId": "ASIA0", "SecretAccessKey": "s0", "Token": "t0"}
    cloud.answers["/v1/credentials"] = (200, keys | {"Expiration": in_an_hour()})
    cloud.answers["/"] = (200, STS.format(ends=in_an_hour()))
    await issue(
        cloud,
        EksLogin("prod", "eu-west-1", ROLE),
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{cloud.url}/v1/credentials",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=projected,
        AWS_ENDPOINT_URL_STS=cloud.url,
    )
    (_, agent, _), (_, assumed, sent) = cloud.asked
    assert agent["Authorization"] == SECRET
    assert sent["Action"] == "AssumeRole"
    assert "Credential=ASIA0/" in assumed["Authorization"]
    assert assumed["x-amz-security-token"] == "t0"


async def test_temporary_keys_are_kept_as_long_as_they_last(cloud: Cloud, projected: str) -> None:
    environment = {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": projected,
        "AWS_ENDPOINT_URL_STS": cloud.url,
    }
    issuer = Issuer(environment)
    cloud.answers["/"] = (200, STS.format(ends=in_an_hour()))
    for cluster in ("one", "two"):
        await issuer.issue(EksLogin(cluster, "eu-west-1"))
    assert len(cloud.asked) == 1
    ends = (datetime.now(UTC) + timedelta(seconds=200)).isoformat()
    cloud.answers["/"] = (200, STS.format(ends=ends))
    short = await issuer.issue(EksLogin("one", "us-east-1"))
    assert short.life < 201  # a token is worth no more than the keys that signed it
    await issuer.issue(EksLogin("one", "us-east-1"))
    assert len(cloud.asked) == 3
    await issuer.issue(EksLogin("one", "eu-west-1"), afresh=True)  # a token of theirs was refused
    assert len(cloud.asked) == 4
    await issuer.aclose()


async def test_keys_of_a_secret_need_nobody(cloud: Cloud) -> None:
    keys = AwsKeys("AKIA", SECRET)
    token = await issue(cloud, EksLogin("prod", None, None, keys), AWS_REGION="eu-west-1")
    assert not cloud.asked
    assert SECRET not in repr(EksLogin("prod", None, None, keys)) + repr(token)


@pytest.mark.parametrize(
    ("answer", "words", "reason"),
    [
        (
            (403, f"<E><Code>AccessDenied</Code><Message>{SECRET}</Message></E>"),
            f"asked for role {ROLE} by the operator's web identity, gave no token (403, AccessDenied)",
            Reason.UNAUTHORISED,
        ),
        ((503, "busy"), "gave no token (503)", Reason.UNREACHABLE),
        ((200, "<nothing/>"), "gave no token (200)", Reason.UNAUTHORISED),
    ],
)
async def test_what_sts_refuses(
    cloud: Cloud, projected: str, answer: tuple[int, str], words: str, reason: Reason
) -> None:
    cloud.answers["/"] = answer
    error = await refused(
        cloud,
        EKS,
        AWS_ROLE_ARN=ROLE,
        AWS_WEB_IDENTITY_TOKEN_FILE=projected,
        AWS_ENDPOINT_URL_STS=cloud.url,
    )
    assert words in str(error)
    assert error.reason is reason


async def test_no_identity_in_aws_is_told(cloud: Cloud) -> None:
    assert "no identity in AWS" in str(await refused(cloud, EKS))
    login = EksLogin("prod", None, None, AwsKeys("a", "b"))
    assert "AWS_REGION" in str(await refused(cloud, login))
    gone = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(await refused(cloud, EKS, **gone))


# --- Google ---------------------------------------------------------------------------------------

METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
GRANTED = {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"}


async def test_the_metadata_server_is_asked_for_both_scopes(cloud: Cloud) -> None:
    cloud.answers[METADATA] = (200, GRANTED)
    token = await issue(cloud, GkeLogin(), GCE_METADATA_HOST=cloud.url.removeprefix("http://"))
    assert (token.value, token.life) == ("ya29.token", 3599)
    assert cloud.asked[0][1]["Metadata-Flavor"] == "Google"


async def test_an_account_is_impersonated(cloud: Cloud) -> None:
    cloud.answers[METADATA] = (200, GRANTED)
    email = "mover@p.iam.gserviceaccount.com"
    path = f"/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
    cloud.answers[path] = (200, {"accessToken": "ya29.mover", "expireTime": in_an_hour()})
    host = cloud.url.removeprefix("http://")
    token = await issue(cloud, GkeLogin(email), GCE_METADATA_HOST=host)
    assert token.value == "ya29.mover"
    assert 3590 < token.life <= 3600
    assert cloud.asked[1][1]["Authorization"] == "Bearer ya29.token"
    cloud.answers[path] = (403, {"error": {"status": "PERMISSION_DENIED", "message": SECRET}})
    error = await refused(cloud, GkeLogin(email), GCE_METADATA_HOST=host)
    assert f"asked to impersonate {email}, gave no token (403, PERMISSION_DENIED)" in str(error)


def account(cloud: Cloud, **changed: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "mover@p.iam.gserviceaccount.com",
            "private_key": KEY.decode(),
            "private_key_id": "k1",
            "token_uri": f"{cloud.url}/token",
        }
        | changed
    )


async def test_a_service_accounts_key_signs_for_itself(cloud: Cloud) -> None:
    cloud.answers["/token"] = (200, GRANTED)
    token = await issue(cloud, GkeLogin(None, account(cloud)))
    assert token.value == "ya29.token"
    sent = cloud.asked[0][2]
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", sent["assertion"])


async def test_the_operators_own_file_may_be_a_federation(
    cloud: Cloud, projected: str, tmp_path: Path
) -> None:
    cloud.answers["/sts"] = (200, GRANTED)
    cloud.answers["/mover:generateAccessToken"] = (
        200,
        {"accessToken": "ya29.mover", "expireTime": in_an_hour()},
    )
    federation = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{cloud.url}/sts",
        "credential_source": {"file": projected},
        "service_account_impersonation_url": f"{cloud.url}/mover:generateAccessToken",
    }
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(federation))
    token = await issue(cloud, GkeLogin(), GOOGLE_APPLICATION_CREDENTIALS=str(file))
    assert token.value == "ya29.mover"
    sent = cloud.asked[0][2]
    assert (sent["subject_token"], sent["audience"]) == (SECRET, federation["audience"])
    # The same out of a Secret would read any file of the operator for whoever wrote it.
    error = await refused(cloud, GkeLogin(None, json.dumps(federation)))
    assert "only as the operator's own" in str(error)


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ("not json", "type that is not supported"),
        ('{"type": "service_account"}', "have no client_email and no private_key"),
        ('{"type": "authorized_user", "client_id": "c"}', "have no refresh_token"),
    ],
)
async def test_what_is_no_credential_of_google(cloud: Cloud, credentials: str, words: str) -> None:
    assert words in str(await refused(cloud, GkeLogin(None, credentials)))


async def test_a_key_that_google_no_longer_knows(cloud: Cloud) -> None:
    cloud.answers["/token"] = (400, {"error": "invalid_grant", "error_description": SECRET})
    error = await refused(cloud, GkeLogin(None, account(cloud)))
    assert "(mover@p.iam.gserviceaccount.com), gave no token (400, invalid_grant)" in str(error)
    garbled = account(cloud, private_key=f"-----BEGIN PRIVATE KEY-----{SECRET}")
    assert "no RSA key" in str(await refused(cloud, GkeLogin(None, garbled)))


# --- Azure ----------------------------------------------------------------------------------------

OAUTH = "/tenant/oauth2/v2.0/token"


async def test_a_projected_token_becomes_one_of_entra(cloud: Cloud, projected: str) -> None:
    cloud.answers[OAUTH] = (200, GRANTED)
    await issue(
        cloud,
        AksLogin(SERVER_ID),
        AZURE_TENANT_ID="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_FEDERATED_TOKEN_FILE=projected,
        AZURE_AUTHORITY_HOST=f"{cloud.url}/",
    )
    sent = cloud.asked[0][2]
    assert sent == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "scope": f"{SERVER_ID}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": SECRET,
    }


async def test_a_client_secret_that_expired_is_told_by_entras_number(cloud: Cloud) -> None:
    described = f"AADSTS7000222: The provided client secret keys are expired {SECRET}"
    cloud.answers[OAUTH] = (401, {"error": "invalid_client", "error_description": described})
    login = AksLogin(SERVER_ID, "tenant", "client", SECRET, cloud.url)
    error = await refused(cloud, login)
    assert "application client of tenant tenant, gave no token (401, AADSTS7000222)" in str(error)
    assert "renew the client secret" in str(error)
    assert cloud.asked[0][2]["client_secret"] == SECRET


async def test_no_identity_in_azure_is_told(cloud: Cloud) -> None:
    assert "AZURE_TENANT_ID is not set" in str(await refused(cloud, AksLogin(SERVER_ID)))
    error = await refused(cloud, AksLogin(SERVER_ID, "t", "c"))
    assert "credentialsSecretRef" in str(error)


async def test_a_server_that_is_not_there_is_unreachable(cloud: Cloud) -> None:
    login = AksLogin(SERVER_ID, "t", "c", SECRET, "http://127.0.0.1:1")
    error = await refused(cloud, login)
    assert error.reason is Reason.UNREACHABLE
    assert "cannot be reached" in str(error)
