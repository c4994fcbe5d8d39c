"""PURE: AWS Signature Version 4, for the two requests to STS that need one.

After https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html; equal
to botocore's for the same instant (a test says so).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from cutover.clusters.logins import AwsKeys

TOKEN_PREFIX = "k8s-aws-v1."  # noqa: S105 - what aws-iam-authenticator expects before the URL
TOKEN_LIFE = 14 * 60.0
"""Seconds: EKS takes such a token for 15 minutes after its date, whatever X-Amz-Expires says."""
_EXPIRES = "60"
"""What aws-iam-authenticator's own clients write; older servers refuse more."""
_ALGORITHM = "AWS4-HMAC-SHA256"


def sts_host(region: str) -> str:
    """Return the regional address of STS, the only one that EKS takes."""
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"sts.{region}.amazonaws.com{suffix}"


def eks_token(cluster: str, region: str, keys: AwsKeys, now: datetime) -> str:
    """Make the token that says who we are to one cluster: a signed URL of GetCallerIdentity."""
    url = presigned(sts_host(region), region, {"x-k8s-aws-id": cluster}, keys, now)
    return TOKEN_PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def presigned(
    host: str, region: str, headers: Mapping[str, str], keys: AwsKeys, now: datetime
) -> str:
    """Sign ``GET https://host/?Action=GetCallerIdentity`` in its query."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    signed = {"host": host, **headers}
    query = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{keys.access_key_id}/{_scope(stamp, region)}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": _EXPIRES,
        "X-Amz-SignedHeaders": ";".join(sorted(signed)),
    }
    if keys.session_token:
        query["X-Amz-Security-Token"] = keys.session_token
    canonical = "&".join(f"{_quoted(key)}={_quoted(query[key])}" for key in sorted(query))
    signature = _signature(_request("GET", canonical, signed, ""), stamp, region, keys)
    return f"https://{host}/?{canonical}&X-Amz-Signature={signature}"


def signed_headers(
    host: str, region: str, body: str, keys: AwsKeys, now: datetime
) -> Mapping[str, str]:
    """Sign ``POST https://host/`` of a form in its headers."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "host": host,
        "x-amz-date": stamp,
    }
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    signature = _signature(_request("POST", "", headers, body), stamp, region, keys)
    authorization = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{_scope(stamp, region)},"
        f" SignedHeaders={';'.join(sorted(headers))}, Signature={signature}"
    )
    return {**headers, "authorization": authorization}


def _scope(stamp: str, region: str) -> str:
    return f"{stamp[:8]}/{region}/sts/aws4_request"


def _request(method: str, query: str, headers: Mapping[str, str], body: str) -> str:
    names = sorted(headers)
    return "\n".join(
        [
            *(method, "/", query),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            *("", ";".join(names), hashlib.sha256(body.encode()).hexdigest()),
        ]
    )


def _signature(request: str, stamp: str, region: str, keys: AwsKeys) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join([_ALGORITHM, stamp, _scope(stamp, region), digest])
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in (*_scope(stamp, region).split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
