"""The signatures are AWS' own: botocore makes the same for the same instant."""

import base64
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import botocore.auth
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from cutover.clusters.logins import AwsKeys
from cutover.clusters.tokens import sigv4

KEYS = AwsKeys("AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = AwsKeys("ASIAEXAMPLE", "secret/+", "FwoGZXIvYXdzE//token+with=odd&letters==")
MOMENTS = st.floats(1.6e9, 4e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def frozen(now: datetime) -> Any:
    naive = now.replace(tzinfo=None)
    return patch.object(botocore.auth, "get_current_datetime", lambda **_: naive)


@given(
    MOMENTS,
    st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1"]),
    st.from_regex(r"\A[0-9A-Za-z][A-Za-z0-9_-]{0,99}\Z"),
    st.sampled_from([KEYS, TEMPORARY]),
)
def test_a_presigned_identity_is_botocores(
    now: datetime, region: str, cluster: str, keys: AwsKeys
) -> None:
    host = sigv4.sts_host(region)
    request = AWSRequest(
        method="GET",
        url=f"https://{host}/?{urlencode({'Action': 'GetCallerIdentity', 'Version': '2011-06-15'})}",
        headers={"x-k8s-aws-id": cluster},
    )
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    with frozen(now):
        SigV4QueryAuth(credentials, "sts", region, expires=60).add_auth(request)
    ours = sigv4.presigned(host, region, {"x-k8s-aws-id": cluster}, keys, now)
    assert sorted(ours.split("?")[1].split("&")) == sorted(
        str(request.url).split("?")[1].split("&")
    )


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
def test_a_signed_request_for_a_role_is_botocores(keys: AwsKeys) -> None:
    now, body = datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC), "Action=AssumeRole&RoleArn=arn%3Aaws"
    request = AWSRequest(
        method="POST",
        url="https://sts.eu-west-1.amazonaws.com/",
        headers={"content-type": "application/x-www-form-urlencoded"},
        data=body,
    )
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    with frozen(now):
        SigV4Auth(credentials, "sts", "eu-west-1").add_auth(request)
    ours = sigv4.signed_headers("sts.eu-west-1.amazonaws.com", "eu-west-1", body, keys, now)
    assert ours["authorization"] == request.headers["Authorization"]


def test_the_token_is_what_aws_iam_authenticator_reads() -> None:
    token = sigv4.eks_token("prod", "eu-west-1", TEMPORARY, datetime(2026, 11, 26, tzinfo=UTC))
    encoded = token.removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert token.startswith("k8s-aws-v1.")
    assert "=" not in token
    assert url.startswith("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&")
    assert "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" in url
