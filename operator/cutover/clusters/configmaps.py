"""ConfigMaps that a rollout names, in either side's cluster: read, never written."""

import re
from collections.abc import Mapping

from cutover.clusters.answers import Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.decide.readings import Gap, Missing


async def read_config_map(
    connection: Connection, namespace: str, name: str
) -> Mapping[str, str] | Gap:
    """Return its data, or one sentence about why there is none."""
    where = f"ConfigMap {namespace}/{name} of the {connection.name}"
    match await connection.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}"):
        case Ok(body):
            values = body.get("data") or {}
            return {str(key): str(value) for key, value in values.items()}
        case Failed(reason=Reason.NOT_FOUND):
            return Gap(Missing.NO_DATA, f"{where} does not exist yet: it is waited for")
        case Failed(reason=Reason.FORBIDDEN) as failed:
            return Gap(
                Missing.FORBIDDEN,
                f"the operator may not read {where}: grant {_account(failed.message)} get on configmaps in"
                f" namespace {namespace} there (manifests/remote/results.yaml)",
            )
        case Failed(reason=reason) as failed:
            unknown = reason is Reason.UNAUTHORISED
            missing = Missing.UNAUTHORISED if unknown else Missing.UNREACHABLE
            return Gap(missing, f"{where} cannot be read: {failed.message}")


def _account(said: str) -> str:
    """Who was refused, where the API server tells."""
    found = re.search(r'User "([^"]{1,200})"', said)
    return found[1] if found else "its account"
