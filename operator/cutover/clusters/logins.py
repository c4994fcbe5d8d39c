"""How a token for a cluster of a cloud is got: values that name an identity and what it logs in to.

Equal values are the same login. None of them says its secrets when printed.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """An access key of AWS, for good or for a while."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class EksLogin:
    """A token that says who we are to one EKS cluster."""

    cluster: str
    region: str | None
    """None: the operator's AWS_REGION."""
    role: str | None = None
    """ARN of a role that is assumed first."""
    keys: AwsKeys | None = None
    """None: the operator's own identity."""

    @property
    def lends_identity(self) -> bool:
        """Whether the token is the operator's own identity."""
        return self.keys is None


@dataclass(frozen=True, slots=True)
class GkeLogin:
    """An access token of Google."""

    service_account: str | None = None
    """Email of a service account that is impersonated."""
    credentials: str | None = field(default=None, repr=False)
    """JSON of a service account's key or of an authorized user; None: the operator's own identity."""

    @property
    def lends_identity(self) -> bool:
        """Whether the token is the operator's own identity."""
        return self.credentials is None


@dataclass(frozen=True, slots=True)
class AksLogin:
    """A token of Microsoft Entra ID."""

    server: str
    """The application that the token is for."""
    tenant: str | None = None
    client: str | None = None
    secret: str | None = field(default=None, repr=False)
    """None: the operator's own identity."""
    authority: str | None = None
    """Entra's address where it is not the operator's."""

    @property
    def lends_identity(self) -> bool:
        """Whether the token is the operator's own identity."""
        return self.secret is None


Login = EksLogin | GkeLogin | AksLogin
