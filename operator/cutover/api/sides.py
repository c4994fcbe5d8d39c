"""The two sides of a migration: their clusters, their metrics and the secrets these need."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.clusters import ClusterRef
from cutover.api.names import ADDRESS_PATTERN, KeyName, MatcherValue, ObjectName
from cutover.api.rules import ONE_OWNER, WHOLE, Rule, ruled_by
from cutover.api.wire import Wire


class Profile(StrEnum):
    """Whose metric names are read."""

    VLLM = "VLLM"
    SGLANG = "SGLang"
    TRITON = "Triton"
    TGI = "TGI"
    NIM = "NIM"
    KSERVE = "KServe"
    MLSERVER = "MLServer"
    TORCHSERVE = "TorchServe"
    RAY = "Ray"
    TFSERVING = "TFServing"
    LLAMA_CPP = "LlamaCpp"
    CUSTOM = "Custom"


class SecretRef(Wire):
    """A Secret of the rollout's namespace."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true"."""


class SecretKey(Wire):
    """One key of a Secret of the rollout's namespace."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true"."""
    key: KeyName
    """The key whose value is used."""


class Authorization(Wire):
    """An Authorization header from a Secret."""

    type: Annotated[
        str,
        Field(min_length=1, max_length=63),
        Rule("self.lowerAscii() != 'basic'", "use basicAuth for user name and password"),
    ] = "Bearer"
    """The word before the credentials."""
    credentials: SecretKey
    """Where the credentials are."""


class BasicAuth(Wire):
    """User name and password from Secrets."""

    username: SecretKey
    """Where the user name is."""
    password: SecretKey
    """Where the password is."""


class SecretOnly(Wire):
    """A value that may only come from a Secret."""

    secret: SecretKey
    """The Secret and the key in it."""


class TlsConfig(Wire):
    """TLS towards Prometheus, as the Prometheus operator spells it."""

    model_config = ruled_by(
        Rule(
            "has(self.cert) == has(self.keySecret)",
            "a client certificate needs both: set cert and keySecret, or neither",
        )
    )

    ca: SecretOnly | None = None
    """Certificates to trust (PEM). Omitted: those of the operator's system."""
    cert: SecretOnly | None = None
    """Client certificate (PEM); needs keySecret."""
    key_secret: SecretKey | None = None
    """Key of the client certificate (PEM)."""
    server_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name that the server's certificate must carry. Omitted: the host of the address."""


class HeadersFrom(Wire):
    """Every key of the Secret becomes a header."""

    secret_ref: SecretRef
    """The Secret."""


Matchers = Annotated[
    dict[str, MatcherValue],
    Field(min_length=1, max_length=8),
    WHOLE,
    Rule(
        "self.all(k, k.matches('^[a-zA-Z_][a-zA-Z0-9_]*$') && !(k in ['__name__', 'le']))",
        "a matcher's key must be the name of a Prometheus label, such as cluster or namespace"
        " (not __name__ or le, which the queries set themselves)",
    ),
    Rule(
        "self.all(k, !self[k].matches('[[:cntrl:]]'))",
        "a matcher's value must be one line without control characters",
    ),
]


class Prometheus(Wire):
    """Where metrics are, and which of them are meant."""

    model_config = ruled_by(
        Rule(
            "!has(self.authorization) || !has(self.basicAuth)",
            "set authorization or basicAuth, not both: a request has one Authorization header",
        ),
        Rule(
            "!has(self.tlsConfig) || self.address.startsWith('https://')",
            "tlsConfig has no effect on http://: write the address with https://, or remove tlsConfig",
        ),
    )

    address: Annotated[
        str,
        Field(min_length=8, max_length=2048, pattern=ADDRESS_PATTERN),
        Rule(
            f"self.matches(r'{ADDRESS_PATTERN}') && isURL(self) && url(self).getHostname() != ''",
            "write the base URL of the Prometheus API, such as http://prometheus.monitoring:9090",
        ),
        Rule(
            "!self.matches('^https?://[^/]*@')",
            "keep credentials out of the address: put them into a Secret and name it in basicAuth",
        ),
    ]
    """Base URL of the Prometheus API, without /api/v1, such as http://prometheus.monitoring:9090.

    Credentials sent to an http:// address can be read on the way: leave the cluster by https:// only.
    """
    matchers: Matchers
    """Labels that tell the series meant from all others, as name: value; compared for equality. One to eight."""
    authorization: Authorization | None = None
    """An Authorization header, such as a bearer token. Not together with basicAuth."""
    basic_auth: BasicAuth | None = None
    """User name and password. Not together with authorization."""
    tls_config: TlsConfig | None = None
    """Certificates for an https:// address."""
    headers_from: HeadersFrom | None = None
    """Further headers, such as a tenant's X-Scope-OrgID."""


class SidePrometheus(Prometheus):
    """Where one side's metrics are, and which of them are that side's."""

    gpu_matchers: Matchers | None = None
    """Labels that tell the GPUs of this side's servers among the DCGM exporter's series, such as exported_namespace. Omitted: matchers."""


class Endpoint(Wire):
    """Where the operator itself can ask the model server of a side."""

    model_config = ruled_by(
        Rule(
            "!has(self.tlsConfig) || self.url.startsWith('https://')",
            "tlsConfig has no effect on http://: write the url with https://, or remove tlsConfig",
        )
    )

    url: Annotated[
        str,
        Field(min_length=8, max_length=2048, pattern=ADDRESS_PATTERN),
        Rule(
            f"self.matches(r'{ADDRESS_PATTERN}') && isURL(self) && url(self).getHostname() != ''",
            "write the base URL of the model server, such as http://llama-chat.inference:8000",
        ),
        Rule(
            "!self.matches('^https?://[^/]*@')",
            "keep credentials out of the url: put them into a Secret and name it in headersFrom",
        ),
    ]
    """Base URL of the model server, without /v1 or /v2, such as http://llama-chat.inference:8000."""
    model: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of the model, as requests to the server spell it. Omitted: the one that each request names."""
    health_path: (
        Annotated[
            str,
            Field(min_length=1, max_length=253, pattern=r"^/[^\s?#]*$"),
        ]
        | None
    ) = None
    """Path that answers 2xx to GET while the server can serve, such as /health. Omitted: the profile's."""
    headers_from: HeadersFrom | None = None
    """Headers for every request, such as Authorization, from a Secret."""
    tls_config: TlsConfig | None = None
    """Certificates for an https:// url."""


class Workload(Wire):
    """What runs the model server of a side, in that side's cluster and namespace."""

    model_config = ONE_OWNER

    api_version: Annotated[str, Field(min_length=1, max_length=253)]
    """API group and version, such as apps/v1 or serving.kserve.io/v1beta1."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Deployment, StatefulSet, InferenceService or LLMInferenceService."""
    name: ObjectName
    """Name of the object."""


class Side(Wire):
    """One side of the migration."""

    cluster: ClusterRef = ClusterRef()
    """The cluster of this side. Omitted: the operator's own."""
    workload: Workload | None = None
    """What runs this side's model server; tells how many replicas are ready."""
    endpoint: Endpoint | None = None
    """Where the operator itself can ask this side's model server: for golden inputs, probes and warm-up."""
    prometheus: SidePrometheus
    """Where this side's metrics are read."""
    profile: Profile | None = None
    """Whose metric names this side's server uses. Omitted: spec.profile."""
