"""What an API server says of a ConfigMap becomes data, or one sentence."""

import pytest

from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.configmaps import read_config_map
from cutover.decide.readings import Gap, Missing


class Server:
    name = "cluster of Secret ns/gke"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = ""

    async def get(self, path: str) -> Answer:
        self.asked = path
        return self.answer


async def test_its_data_is_read() -> None:
    server = Server(Ok({"data": {"value": "0.9"}}))
    found = await read_config_map(server, "ns", "eval")  # type: ignore[arg-type]
    assert found == {"value": "0.9"}
    assert server.asked == "/api/v1/namespaces/ns/configmaps/eval"


async def test_without_data_it_is_empty() -> None:
    assert await read_config_map(Server(Ok({})), "ns", "eval") == {}  # type: ignore[arg-type]


CASES = [
    (Reason.NOT_FOUND, Missing.NO_DATA, "does not exist yet: it is waited for"),
    (
        Reason.FORBIDDEN,
        Missing.FORBIDDEN,
        "grant its account get on configmaps in namespace ns there",
    ),
    (
        Reason.UNAUTHORISED,
        Missing.UNAUTHORISED,
        "eval of the cluster of Secret ns/gke cannot be read: said so",
    ),
    (Reason.UNREACHABLE, Missing.UNREACHABLE, "cannot be read: said so"),
]


@pytest.mark.parametrize(("reason", "missing", "sentence"), CASES)
async def test_what_cannot_be_read_says_why(
    reason: Reason, missing: Missing, sentence: str
) -> None:
    found = await read_config_map(Server(Failed(0, reason, "said so")), "ns", "eval")  # type: ignore[arg-type]
    assert isinstance(found, Gap)
    assert found.missing is missing
    assert sentence in found.message


async def test_the_account_that_lacks_the_right_is_named() -> None:
    said = (
        'https://k:6443/api forbids GET (configmaps "eval" is forbidden: User "system:serviceaccount:c:op" cannot'
        ' get resource "configmaps"): grant it to the account that the credentials name'
    )
    server = Server(Failed(403, Reason.FORBIDDEN, said, from_api_server=True))
    found = await read_config_map(server, "ns", "eval")  # type: ignore[arg-type]
    assert isinstance(found, Gap)
    assert (
        "grant system:serviceaccount:c:op get on configmaps in namespace ns there" in found.message
    )
