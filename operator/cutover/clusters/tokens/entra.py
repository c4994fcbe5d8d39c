"""Who we are in Microsoft Entra ID, and the token that says so to an AKS cluster."""

import re
from collections.abc import Mapping
from typing import Final

import httpx

from cutover.clusters.logins import AksLogin
from cutover.clusters.tokens.aws import read_file
from cutover.clusters.tokens.granted import LoginError, Token
from cutover.clusters.tokens.web import as_object, ask, refused, seconds

AUTHORITY: Final = "https://login.microsoftonline.com/"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"


class Entra:
    """Gets tokens by the client credentials grant."""

    def __init__(self, http: httpx.AsyncClient, environment: Mapping[str, str]) -> None:
        self._http = http
        self._environment = environment

    async def token(self, login: AksLogin) -> Token:
        """Get a token; raises LoginError."""
        tenant = login.tenant or self._own("AZURE_TENANT_ID", "tenantId")
        client = login.client or self._own("AZURE_CLIENT_ID", "clientId")
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "scope": f"{login.server}/.default",
        }
        if login.secret is not None:
            form["client_secret"] = login.secret
        else:
            file = self._own(_FILE, "credentialsSecretRef")
            form["client_assertion_type"] = _ASSERTION
            form["client_assertion"] = read_file(file, _FILE)
        given = login.authority or self._environment.get("AZURE_AUTHORITY_HOST") or AUTHORITY
        url = f"{given.rstrip('/')}/{tenant}/oauth2/v2.0/token"
        what = f"Microsoft Entra ID, asked by application {client} of tenant {tenant},"
        response = await ask(self._http, "POST", url, what, form=form)
        found = as_object(response)
        value = found.get("access_token")
        if response.is_success and isinstance(value, str) and value:
            return Token(value, seconds(found.get("expires_in")))
        remedy = (
            "renew the client secret"
            if login.secret is not None
            else "check the federated credential of the operator's service account"
        )
        raise refused(what, response, _code(found), remedy)

    def _own(self, variable: str, field: str) -> str:
        value = self._environment.get(variable)
        if not value:
            raise LoginError(
                f"the operator has no identity in Azure ({variable} is not set): give its service"
                f" account one (Entra workload identity), or set {field}"
            )
        return value


def _code(found: Mapping[str, object]) -> str:
    """Return Entra's number of the error, which its documentation explains; never its text."""
    number = re.search(r"AADSTS[0-9]+", str(found.get("error_description") or ""))
    if number:
        return number[0]
    error = found.get("error")
    return error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else ""
