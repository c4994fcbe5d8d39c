"""What a user may write: ``spec`` of a MigrationRollout.

A field is here only when the operator acts on it. Rules that admission enforces sit on the
property they read (``x-kubernetes-validations``); rules at the root compare old with new.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from cutover.api.quantities import Duration, Ratio, Share
from cutover.api.wire import Wire

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
KeyName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Label = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]


class Profile(StrEnum):
    """Whose metric names are read."""

    VLLM = "VLLM"
    CUSTOM = "Custom"


class OnInconclusive(StrEnum):
    """What happens to a step that has not gathered enough evidence within ``maxDuration``."""

    PAUSE = "Pause"
    ROLL_BACK = "RollBack"


class OnOutage(StrEnum):
    """What happens while metrics cannot be read."""

    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class OnOverride(StrEnum):
    """What happens when somebody else raises the target's share."""

    ENFORCE = "Enforce"
    PAUSE = "Pause"


class DeliveryCheck(StrEnum):
    """Whether a weight must be seen in request counters before it counts."""

    REQUIRED = "Required"
    REPORT = "Report"


class Guard(StrEnum):
    """The limits that roll back at once."""

    UNANSWERED = "Unanswered"
    ERROR_BURST = "ErrorBurst"
    LATENCY_BURST = "LatencyBurst"


# --- where things are ---------------------------------------------------------------------------


class SecretRef(Wire):
    """A Secret of the rollout's namespace."""

    name: ObjectName


class SecretKey(Wire):
    """One key of a Secret of the rollout's namespace."""

    name: ObjectName
    key: KeyName


class KubeconfigSecretRef(Wire):
    """A Secret that holds a kubeconfig."""

    name: ObjectName
    key: KeyName | None = Field(
        default=None,
        description="The key that holds the kubeconfig; omitted: kubeconfig, then value (Cluster API).",
    )


class ClusterRef(Wire):
    """Which cluster; empty for the operator's own."""

    kubeconfig_secret_ref: KubeconfigSecretRef | None = None
    namespace: Label | None = Field(
        default=None, description="Namespace in that cluster; omitted: the rollout's own."
    )


class Authorization(Wire):
    """An ``Authorization`` header from a Secret."""

    type: Annotated[str, Field(min_length=1, max_length=63)] = "Bearer"
    credentials: SecretKey


class BasicAuth(Wire):
    """User name and password from Secrets."""

    username: SecretKey
    password: SecretKey


class SecretOnly(Wire):
    """A value that may only come from a Secret."""

    secret: SecretKey


class TlsConfig(Wire):
    """TLS towards Prometheus, as the Prometheus operator spells it."""

    ca: SecretOnly | None = None
    cert: SecretOnly | None = None
    key_secret: SecretKey | None = None
    server_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None


class HeadersFrom(Wire):
    """Every key of the Secret becomes a header."""

    secret_ref: SecretRef


class Prometheus(Wire):
    """Where one side's metrics are, and which of them are that side's."""

    address: Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s?#]+$")]
    matchers: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=253)]],
        Field(min_length=1, max_length=8),
    ]
    authorization: Authorization | None = None
    basic_auth: BasicAuth | None = None
    tls_config: TlsConfig | None = None
    headers_from: HeadersFrom | None = None


class Side(Wire):
    """One side of the migration."""

    cluster: ClusterRef = ClusterRef()
    prometheus: Prometheus
    profile: Profile | None = Field(
        default=None, description="Overrides spec.profile for this side."
    )


# --- traffic ------------------------------------------------------------------------------------


class BackendRef(Wire):
    """One backend of a route, by the fields that tell it from the others."""

    name: ObjectName
    group: Annotated[str, Field(max_length=253)] | None = None
    kind: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    namespace: Label | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None


class HttpRoute(Wire):
    """A Gateway API HTTPRoute that names both backends."""

    name: ObjectName
    source_backend: BackendRef
    target_backend: BackendRef
    rules: Annotated[list[Annotated[int, Field(ge=0, le=127)]], Field(max_length=16)] | None = (
        Field(
            default=None,
            description="Indexes (from 0) of the rules meant; omitted: every rule, and each must name both backends.",
        )
    )


class Delivery(Wire):
    """How it is known that the gateway does what the route says."""

    check: DeliveryCheck = DeliveryCheck.REQUIRED


class Traffic(Wire):
    """The one route whose weights are moved."""

    cluster: ClusterRef = ClusterRef()
    http_route: HttpRoute
    on_override: OnOverride = OnOverride.ENFORCE
    delivery: Delivery = Delivery()


# --- steps --------------------------------------------------------------------------------------


class Pause(Wire):
    """Wait, watched by the guards."""

    duration: Duration


class Approval(Wire):
    """Wait for a person."""

    name: Label


class Soak(Wire):
    """The target has everything; the way back is still open."""

    duration: Duration


class StepKind(StrEnum):
    """What a step is."""

    WEIGHT = "weight"
    PAUSE = "pause"
    APPROVAL = "approval"
    SOAK = "soak"


class Step(Wire):
    """Exactly one of its fields is set."""

    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    pause: Pause | None = None
    approval: Approval | None = None
    soak: Soak | None = None

    @property
    def kind(self) -> StepKind:
        """Which of the fields is set."""
        if self.weight is not None:
            return StepKind.WEIGHT
        if self.pause is not None:
            return StepKind.PAUSE
        if self.approval is not None:
            return StepKind.APPROVAL
        return StepKind.SOAK

    @property
    def description(self) -> str:
        """The step in two or three words."""
        if self.weight is not None:
            return f"weight {self.weight}"
        if self.pause is not None:
            return f"pause {self.pause.duration}"
        if self.approval is not None:
            return f"approval {self.approval.name}"
        return f"soak {self.soak.duration}" if self.soak is not None else "empty"


# --- judging ------------------------------------------------------------------------------------


class Analysis(Wire):
    """When it is looked, and how much evidence a verdict needs."""

    interval: Duration = "30s"
    guard_interval: Duration = "5s"
    settle: Duration = "2m"
    min_duration: Duration = "5m"
    max_duration: Duration = "60m"
    min_requests: Annotated[int, Field(ge=50, le=1_000_000)] = 300
    on_inconclusive: OnInconclusive = OnInconclusive.PAUSE
    on_outage: OnOutage = OnOutage.HOLD
    outage_limit: Duration = "15m"


class LatencyGate(Wire):
    """At most ``maxAbove`` of the target's requests above ``threshold``, and at most ``margin`` more than the source's."""

    metric: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    threshold: Duration
    max_above: Share
    margin: Share


class ErrorRateGate(Wire):
    """At most ``max`` of the target's requests fail, and at most ``ratio`` times the source's share."""

    max: Share
    ratio: Ratio


class Gate(Wire):
    """A judgement that must pass before the next step; exactly one kind is set."""

    name: Label
    latency: LatencyGate | None = None
    error_rate: ErrorRateGate | None = None


class CustomLatency(Wire):
    """A latency metric of one's own."""

    metric: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    buckets: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="PromQL giving cumulative counts by le, in seconds, over $window of the series $matchers."
    )


class CustomMetrics(Wire):
    """PromQL for servers that no profile knows; ``$matchers`` and ``$window`` are filled in."""

    requests: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="PromQL giving one number: finished requests over $window."
    )
    errors: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="PromQL giving one number: failed requests over $window."
    )
    latencies: Annotated[list[CustomLatency], Field(max_length=8)] = Field(default_factory=list)


class Guards(Wire):
    """All guards are on unless named here."""

    disabled: Annotated[list[Guard], Field(max_length=8)] = Field(default_factory=list)


# --- the whole ----------------------------------------------------------------------------------


class Approved(Wire):
    """One approval that a person gave; it counts for that attempt only."""

    name: Label
    attempt: Annotated[int, Field(ge=1)]


class Commands(Wire):
    """What people and Git say; none has a stored default, so Git may omit them."""

    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    paused: bool | None = None
    abort: bool | None = None
    approved: Annotated[list[Approved], Field(max_length=64)] | None = None


class Spec(Commands):
    """Move the traffic of one inference service from the source to the target."""

    profile: Profile = Profile.VLLM
    custom: CustomMetrics | None = None
    source: Side
    target: Side
    traffic: Traffic
    steps: Annotated[list[Step], Field(min_length=1, max_length=64)] | None = None
    analysis: Analysis = Analysis()
    gates: Annotated[list[Gate], Field(max_length=16)] | None = None
    guards: Guards = Guards()


ApiVersion = Literal["cutover.dev/v1alpha1"]
