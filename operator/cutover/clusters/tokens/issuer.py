"""One place that gets tokens, whichever the cloud."""

from collections.abc import Mapping
from typing import assert_never

from cutover.clusters.logins import AksLogin, EksLogin, GkeLogin, Login
from cutover.clusters.tokens.aws import Aws
from cutover.clusters.tokens.entra import Entra
from cutover.clusters.tokens.google import IAM, Google
from cutover.clusters.tokens.granted import Token
from cutover.clusters.tokens.web import client


class Issuer:
    """Gets tokens from the clouds over one client.

    Where the clouds' servers are can be told by the variables that their own SDKs read:
    AWS_ENDPOINT_URL_STS, GCE_METADATA_HOST and AZURE_AUTHORITY_HOST.
    """

    def __init__(self, environment: Mapping[str, str], *, google_iam: str = IAM) -> None:
        self._http = client()
        self._beside = client(proxied=False)
        self.aws = Aws(self._http, self._beside, environment)
        self.google = Google(self._http, self._beside, environment, iam=google_iam)
        self.entra = Entra(self._http, environment)

    async def issue(self, login: Login, *, afresh: bool = False) -> Token:
        """Get a token; raises LoginError. ``afresh``: with nothing that was kept."""
        match login:
            case EksLogin():
                return await self.aws.token(login, afresh=afresh)
            case GkeLogin():
                return await self.google.token(login)
            case AksLogin():
                return await self.entra.token(login)
            case _ as never:
                assert_never(never)

    async def aclose(self) -> None:
        """Close the clients."""
        await self._http.aclose()
        await self._beside.aclose()
