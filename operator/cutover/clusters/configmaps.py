"""ConfigMaps that a rollout names, in either side's cluster: read, never written."""

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
        case Failed(reason=Reason.FORBIDDEN):
            return Gap(
                Missing.UNAUTHORISED,
                f"the operator may not read {where}: bind its account there to a role that may get it",
            )
        case Failed(reason=Reason.UNAUTHORISED) as failed:
            return Gap(Missing.UNAUTHORISED, failed.message)
        case Failed() as failed:
            return Gap(Missing.UNREACHABLE, f"{where} cannot be read: {failed.message}")
