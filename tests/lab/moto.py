"""What answers for Amazon? moto's server: Route 53, IAM and STS on one loopback port."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import botocore.session
import httpx

from tests.lab.children import Child
from tests.lab.ports import free_ports

REGION: Final = "us-east-1"
NOBODY: Final = {
    "AWS_ACCESS_KEY_ID": "lab",
    "AWS_SECRET_ACCESS_KEY": "lab",
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""moto asks for some identity and believes any."""


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Its address, as long as the block lives."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "moto.server", "--host=127.0.0.1", f"--port={port}"]
    child = Child("moto", command, folder / "moto.log", os.environ | NOBODY)
    url = f"http://127.0.0.1:{port}"
    try:
        child.wait_until(lambda: answers(f"{url}/moto-api/"), 90)
        yield url
    finally:
        child.kill()


def client(service: str, url: str, key: str = "lab", secret: str = "lab", **more: Any) -> Any:
    """A client of botocore's that speaks to it."""
    return botocore.session.get_session().create_client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        **more,
    )


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
