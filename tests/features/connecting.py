"""How do the feature tests open a connection of the operator to a cluster of the lab?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cutover.clusters.access import Access
from cutover.clusters.connection import Connection
from cutover.clusters.kubeconfig import parse
from cutover.clusters.pool import Pool
from tests.lab import Cluster


def open_connection(
    cluster: Cluster,
    user: str = "admin",
    *,
    token: str | None = None,
    server: str | None = None,
) -> Connection:
    access = parse(cluster.kubeconfig_for(user, token=token, server=server), "the test")
    assert isinstance(access, Access), access
    pool = Pool.build(access, "the test")
    assert isinstance(pool, Pool), pool
    return Connection(pool, "cluster of the test")


@asynccontextmanager
async def connected(
    cluster: Cluster, user: str = "admin", *, token: str | None = None, server: str | None = None
) -> AsyncIterator[Connection]:
    """Closed at the end of the block; ``server`` may be a proxy."""
    connection = open_connection(cluster, user, token=token, server=server)
    try:
        yield connection
    finally:
        await connection.pool.close()
