"""What a user may write: ``spec`` of a MigrationRollout.

One module, read from top to bottom like the YAML it describes. A field is here only when the
operator acts on it. The text under a field is what ``kubectl explain`` shows; stored defaults are
added to it by ``cutover.crd``. How rules are placed: ``cutover.api.rules``.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from cutover.api.quantities import Duration, Ratio, Share
from cutover.api.rules import (
    AS_SET,
    BELOW_ALL,
    ONE_OWNER,
    SOME_BELOW_ALL,
    TIMES,
    WHOLE,
    Rule,
    exactly_one,
    keyed_by,
    ruled_by,
    within,
)
from cutover.api.wire import Wire

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
KeyName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Label = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
ADDRESS_PATTERN = r"^https?://[^\s?#]+$"
MetricName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
MatcherValue = Annotated[str, Field(min_length=1, max_length=253)]
Query = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    Rule(
        "self.contains('$matchers') && self.contains('$window')",
        "use both $matchers and $window in the query, as in"
        " sum(increase(my_requests_total{$matchers}[$window])):"
        " without $matchers both sides would read the same series",
    ),
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


class KubeconfigSecretRef(Wire):
    """A Secret of the rollout's namespace that holds a kubeconfig with a token, a client certificate or basic credentials.

    Entries with exec or auth-provider are refused: the operator runs no commands.
    """

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true"."""
    key: KeyName | None = None
    """The key that holds the kubeconfig. Omitted: kubeconfig, then value (as Cluster API names it)."""


class ClusterRef(Wire):
    """Which cluster. Empty: the operator's own."""

    kubeconfig_secret_ref: KubeconfigSecretRef | None = None
    """A Secret of the rollout's namespace that holds the cluster's kubeconfig. Omitted: the operator's own cluster."""
    namespace: Label | None = None
    """Namespace in that cluster. Omitted: one of the same name as the rollout's own; in the operator's own cluster no other may be named."""


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


class Prometheus(Wire):
    """Where one side's metrics are, and which of them are that side's."""

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
    matchers: Annotated[
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
    """Labels that tell this side's series from all others, as name: value; compared for equality. One to eight."""
    authorization: Authorization | None = None
    """An Authorization header, such as a bearer token. Not together with basicAuth."""
    basic_auth: BasicAuth | None = None
    """User name and password. Not together with authorization."""
    tls_config: TlsConfig | None = None
    """Certificates for an https:// address."""
    headers_from: HeadersFrom | None = None
    """Further headers, such as a tenant's X-Scope-OrgID."""


class Side(Wire):
    """One side of the migration."""

    cluster: ClusterRef = ClusterRef()
    """The cluster of this side. Omitted: the operator's own."""
    prometheus: Prometheus
    """Where this side's metrics are read."""
    profile: Profile | None = None
    """Whose metric names this side's server uses. Omitted: spec.profile."""


# --- traffic ------------------------------------------------------------------------------------


class BackendRef(Wire):
    """One backend of a route, by the fields that tell it from the others."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the backend, as the route spells it."""
    group: Annotated[str, Field(max_length=253)] | None = None
    """API group of the backend. Omitted: core."""
    kind: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Kind of the backend, such as Service, ServiceImport or InferencePool. Omitted: Service."""
    namespace: Label | None = None
    """Namespace of the backend, where the route names one. Omitted: the route's own."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the backend. Needed only where the route names one backend with several ports."""


def _unlike(field: str, default: str) -> str:
    """Compare an optional field, without ``?:``: behind it CEL's cost estimate knows no length."""
    source, target = f"self.sourceBackend.{field}", f"self.targetBackend.{field}"
    return (
        f"(has({source}) && has({target}) && {source} != {target})"
        f" || (has({source}) && !has({target}) && {source} != '{default}')"
        f" || (!has({source}) && has({target}) && {target} != '{default}')"
    )


class HttpRoute(Wire):
    """A Gateway API HTTPRoute that names both backends."""

    model_config = ruled_by(
        Rule(
            "self.sourceBackend.name != self.targetBackend.name"
            f" || {_unlike('group', '')} || {_unlike('kind', 'Service')} || {_unlike('__namespace__', '')}"
            " || (has(self.sourceBackend.port) && has(self.targetBackend.port)"
            " && self.sourceBackend.port != self.targetBackend.port)",
            "sourceBackend and targetBackend name the same backend: name two,"
            " or give each the port that tells them apart",
        )
    )

    name: ObjectName
    """Name of the HTTPRoute; its namespace is that of traffic.cluster."""
    source_backend: BackendRef
    """The backend that serves now."""
    target_backend: BackendRef
    """The backend that shall serve; already in the route, with weight 0."""
    rules: (
        Annotated[list[Annotated[int, Field(ge=0, le=127)]], Field(max_length=16), AS_SET] | None
    ) = None
    """Indexes (from 0) of the route's rules that are meant. Omitted: every rule, and each must name both backends."""


class Delivery(Wire):
    """How it is known that the gateway does what the route says."""

    check: DeliveryCheck = DeliveryCheck.REQUIRED
    """Required: a weight counts once request counters show it. Report: it is only reported."""


class Traffic(Wire):
    """The one route whose weights are moved."""

    cluster: ClusterRef = ClusterRef()
    """The cluster in which the route lives. Omitted: the operator's own."""
    http_route: HttpRoute
    """A Gateway API HTTPRoute whose backends' weights are moved."""
    on_override: OnOverride = OnOverride.ENFORCE
    """When somebody else raises the target's share: Enforce puts the rollout's weights back, Pause waits for a person. A share that somebody lowers is never raised again by itself."""
    delivery: Delivery = Delivery()
    """How it is known that the gateway does what the route says."""


# --- steps --------------------------------------------------------------------------------------


class Pause(Wire):
    """Wait, watched by the guards."""

    duration: Annotated[Duration, within("1s", "720h", named="30 days")]
    """How long to wait, 1s to 720h (30 days)."""


class Approval(Wire):
    """Wait for a person."""

    name: Label
    """The name that spec.approved must carry for the rollout to go on."""


class Soak(Wire):
    """The target has everything; the way back is still open."""

    duration: Annotated[Duration, within("1s", "720h", named="30 days")]
    """How long to watch, 1s to 720h (30 days)."""


class StepKind(StrEnum):
    """What a step is."""

    WEIGHT = "weight"
    PAUSE = "pause"
    APPROVAL = "approval"
    SOAK = "soak"


class Step(Wire):
    """One step; exactly one of its fields is set."""

    model_config = ruled_by(
        exactly_one(
            "weight",
            "pause",
            "approval",
            "soak",
            says="a step does one thing: set exactly one of weight, pause, approval and soak",
        )
    )

    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Share of the traffic for the target, in percent, 1 to 100; held until every gate passes."""
    pause: Pause | None = None
    """Wait for a time, watched by the guards."""
    approval: Approval | None = None
    """Wait until a person adds the name to spec.approved."""
    soak: Soak | None = None
    """Keep watching with all traffic on the target; the last step. Rollback is still possible."""

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


STEPS_RISE = Rule(
    "self.filter(s, has(s.weight)).map(s, s.weight).isSorted()"
    " && self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",
    "weights must rise from step to step: put the smaller weight first and write each weight once",
)
STEPS_END_AT_ALL = Rule(
    "self.exists(s, has(s.weight) && s.weight == 100)",
    "the last weight must be 100: add a step weight: 100",
)
STEPS_SOAK_LAST = Rule(
    "!self.exists(s, has(s.soak))"
    " || (has(self[size(self) - 1].soak) && self.exists_one(s, has(s.soak)))",
    "write at most one soak, as the last step",
)
STEPS_APPROVALS_DIFFER = Rule(
    "self.all(s, !has(s.approval)"
    " || self.exists_one(t, has(t.approval) && t.approval.name == s.approval.name))",
    "two approval steps have the same name: give each its own, so that one yes counts for one step",
)


# --- judging ------------------------------------------------------------------------------------


class Analysis(Wire):
    """When to look, and how much evidence a verdict needs."""

    model_config = ruled_by(
        Rule(
            "duration(self.minDuration) <= duration(self.maxDuration)",
            "minDuration must not be longer than maxDuration: lower minDuration or raise maxDuration"
            " (both have defaults: 5m and 60m)",
        ),
        Rule(
            "duration(self.settle) < duration(self.maxDuration)",
            "settle must be shorter than maxDuration, or no step ever gathers evidence:"
            " lower settle or raise maxDuration (both have defaults: 2m and 60m)",
        ),
    )

    interval: Annotated[Duration, within("1s", "10m")] = "30s"
    """Time between two looks, 1s to 10m."""
    guard_interval: Annotated[Duration, within("1s", "1m")] = "5s"
    """Time between two looks of the guards while the target has traffic, 1s to 1m."""
    settle: Annotated[Duration, within("0s", "1h")] = "2m"
    """How long gates ignore what they see after a weight change (cold caches), 0s to 1h. Guards watch through it."""
    min_duration: Annotated[Duration, within("0s", "24h")] = "5m"
    """A step never passes sooner, 0s to 24h."""
    max_duration: Annotated[Duration, within("1s", "168h", named="7 days")] = "60m"
    """A step that is still Inconclusive then does as onInconclusive says, 1s to 168h (7 days)."""
    min_requests: Annotated[int, Field(ge=50, le=1_000_000)] = 300
    """Requests on the target before a gate may pass, 50 to 1000000; a quarter of it at weight 1, half at weight 5, all from weight 10. A gate may fail from 50."""
    on_inconclusive: OnInconclusive = OnInconclusive.PAUSE
    """What to do when maxDuration is over without a verdict: Pause for a person, or RollBack."""
    on_outage: OnOutage = OnOutage.HOLD
    """What to do while metrics cannot be read: Hold the weight for outageLimit and then pause, or RollBack then."""
    outage_limit: Annotated[Duration, within("1s", "24h")] = "15m"
    """How long metrics may be unreadable before onOutage is carried out, 1s to 24h."""


class LatencyGate(Wire):
    """At most maxAbove of the target's requests take longer than threshold, and at most margin more than the source's."""

    metric: MetricName
    """Which latency, by the profile's name for it, such as TimeToFirstToken."""
    threshold: Annotated[Duration, within("1ms", "1h")]
    """A request that takes longer counts as slow, 1ms to 1h; moved to the nearest edge of the histogram's buckets."""
    max_above: Annotated[Share, BELOW_ALL]
    """Share of the target's requests that may be slow, such as 5%."""
    margin: Annotated[Share, SOME_BELOW_ALL]
    """How much larger the target's share of slow requests may be than the source's, in percentage points, such as 2.5%."""


class ErrorRateGate(Wire):
    """At most max of the target's requests fail, and at most ratio times the source's share."""

    max: Annotated[Share, SOME_BELOW_ALL]
    """Share of the target's requests that may fail, such as 1%."""
    ratio: Annotated[Ratio, TIMES]
    """How many times the source's share of failed requests the target's may be, 1 to 100, such as "2"."""


class Gate(Wire):
    """A judgement that must pass before the next step; exactly one kind is set."""

    model_config = ruled_by(
        exactly_one(
            "latency",
            "errorRate",
            says="a gate judges one thing: set exactly one of latency and errorRate",
        )
    )

    name: Label
    """Name of the gate, unique in the rollout."""
    latency: LatencyGate | None = None
    """Judge how many requests are slow."""
    error_rate: ErrorRateGate | None = None
    """Judge how many requests fail."""


GATES_DIFFER = Rule(
    "self.all(g, self.exists_one(h, h.name == g.name))",
    "two gates have the same name: give each its own",
)


class CustomLatency(Wire):
    """A latency metric of one's own."""

    metric: MetricName
    """The name by which a latency gate refers to it, such as TimeToFirstToken."""
    buckets: Query
    """PromQL giving cumulative counts by le, in seconds, over $window of the series $matchers, such as sum by (le) (increase(my_seconds_bucket{$matchers}[$window]))."""


class CustomMetrics(Wire):
    """PromQL for servers that no profile knows; $matchers and $window are filled in."""

    requests: Query
    """PromQL giving one number: finished requests over $window, such as sum(increase(my_requests_total{$matchers}[$window]))."""
    errors: Query
    """PromQL giving one number: failed requests over $window."""
    latencies: Annotated[
        list[CustomLatency],
        Field(max_length=8),
        keyed_by("metric"),
        Rule(
            "self.all(a, self.exists_one(b, b.metric == a.metric))",
            "two latencies have the same metric: give each its own",
        ),
    ] = Field(default_factory=list)
    """Latency histograms, at most eight. Omitted: none, and the default gates are the error rate alone."""


class Guards(Wire):
    """All guards are on unless named here."""

    disabled: Annotated[list[Guard], Field(max_length=8), AS_SET] = Field(default_factory=list)
    """Guards to switch off. Omitted: none."""


# --- the whole ----------------------------------------------------------------------------------


class Approved(Wire):
    """One approval that a person gave; it counts for that attempt only."""

    name: Label
    """Name of the approval step."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000)]
    """The attempt for which it is given, as status.attempt counts."""


class Commands(Wire):
    """What people and Git say; none has a stored default, so Git may omit them."""

    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Raise by one to try again after a rollback. Omitted: 1."""
    paused: bool | None = None
    """True: no forward motion; guards keep watching and can still roll back. Omitted: false."""
    abort: bool | None = None
    """True: put all traffic back to the source now. Taking it away does not undo it; raise attempt to try again. Omitted: false."""
    approved: (
        Annotated[list[Approved], Field(max_length=64), keyed_by("name", "attempt")] | None
    ) = None
    """Approvals that people gave, each for one attempt. Omitted: none."""


_ABORTS = "self.?abort.orValue(false)"
_CUSTOM = (
    "(self.profile == 'Custom' || self.source.?profile.orValue('') == 'Custom'"
    " || self.target.?profile.orValue('') == 'Custom')"
)
_RAISES = "self.?attempt.orValue(1) > oldSelf.?attempt.orValue(1)"


class Spec(Commands):
    """Move the traffic of one inference service from the source to the target."""

    model_config = ruled_by(
        Rule(
            f"{_ABORTS} || !{_CUSTOM} || has(self.custom)",
            "profile Custom needs spec.custom: write there the PromQL for requests and errors",
            at=".custom",
        ),
        Rule(
            f"{_ABORTS} || {_CUSTOM} || !has(self.custom)",
            "spec.custom is read only with profile Custom: set profile: Custom (here or on one side),"
            " or remove custom",
            at=".custom",
        ),
        Rule(
            f"{_ABORTS} || self.source.prometheus.address != self.target.prometheus.address"
            " || self.source.prometheus.matchers != self.target.prometheus.matchers",
            "source and target read the same series (equal address and matchers), so nothing could"
            " be compared: add a matcher that tells them apart",
            at=".target.prometheus.matchers",
        ),
        Rule(
            "self.?attempt.orValue(1) >= oldSelf.?attempt.orValue(1)",
            "attempt never falls: leave it, or raise it by one to try again (omitted it counts as 1)",
            at=".attempt",
        ),
        Rule(
            "self.?attempt.orValue(1) <= oldSelf.?attempt.orValue(1) + 1",
            "attempt rises by one at a time",
            at=".attempt",
        ),
        Rule(
            f"!({_RAISES}) || !{_ABORTS}",
            "a new attempt cannot start while abort is set: remove abort in the same edit",
            at=".abort",
        ),
    )

    profile: Profile = Profile.VLLM
    """Whose metric names are read; a side may override it. Custom: those in spec.custom."""
    custom: CustomMetrics | None = None
    """PromQL for servers that no profile knows; with profile Custom only."""
    source: Side
    """Where the traffic is now."""
    target: Side
    """Where the traffic shall go."""
    traffic: Traffic
    """The one route whose weights are moved."""
    steps: (
        Annotated[
            list[Step],
            Field(min_length=1, max_length=64),
            STEPS_RISE,
            STEPS_END_AT_ALL,
            STEPS_SOAK_LAST,
            STEPS_APPROVALS_DIFFER,
        ]
        | None
    ) = None
    """The way to 100 %, in order. Omitted: weights 1, 5, 10, 25, 50, 75 and 100, then a soak of 1h. Steps already done are frozen."""
    analysis: Analysis = Analysis()
    """When to look, and how much evidence a verdict needs."""
    gates: (
        Annotated[list[Gate], Field(min_length=1, max_length=16), keyed_by("name"), GATES_DIFFER]
        | None
    ) = None
    """Judgements that must pass before each next step, comparing the target with the source. Omitted: the profile's latency gates and the error rate."""
    guards: Guards = Field(default_factory=Guards)
    """Limits whose breach rolls back at once; all are on unless disabled."""


ApiVersion = Literal["cutover.dev/v1alpha1"]
