"""The rules of every Prometheus that a spec names, and of the gateway's."""

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.features.admission.case import Case, value_case
from tests.features.admission.rollouts import Json, at, merged

SECRET = {"name": "prometheus", "key": "token"}
WHERE: Final = {"address": "http://p:9090", "matchers": {"job": "envoy"}}
GATEWAY_HERE: Final = "spec.traffic.gateway"


def gateway(**changed: object) -> Json:
    given = {"profile": "Contour", "prometheus": WHERE} | changed
    return at(GATEWAY_HERE, given)


def prometheus_cases(
    here: str, *matchers: str, put: Callable[[Json], Json] | None = None
) -> list[Case]:
    """Wherever a Prometheus is named, the same rules hold; ``put`` makes the edit of its fields."""
    put = put or partial(at, here)

    def field(name: str, value: object) -> Json:
        return put({name: value})

    return [
        Case(
            f"{here}: one Authorization header",
            here,
            "set authorization or basicAuth, not both",
            [
                put(
                    {
                        "authorization": {"credentials": SECRET},
                        "basicAuth": {"username": SECRET, "password": SECRET},
                    }
                )
            ],
            [
                put({"authorization": {"credentials": SECRET}}),
                put({"basicAuth": {"username": SECRET, "password": SECRET}}),
            ],
        ),
        Case(
            f"{here}: certificates need TLS",
            here,
            "tlsConfig has no effect on http://: write the address with https://",
            [put({"address": "http://p:9090", "tlsConfig": {"serverName": "p"}})],
            [put({"address": "https://p:9090", "tlsConfig": {"serverName": "p"}})],
        ),
        value_case(
            f"{here}.address",
            "write the base URL of the Prometheus API, such as http://prometheus.monitoring:9090",
            [
                "prometheus:9090",
                "ftp://prometheus",
                "http://:9090",
                "http://[::1",
                "http://p?a=b",
                "http://p/#a",
            ],
            ["http://p", "https://p.example/prefix/", "http://[::1]:9090"],
            partial(field, "address"),
        ),
        value_case(
            f"{here}.address",
            "keep credentials out of the address: put them into a Secret",
            ["https://me:secret@p.example", "https://me@p.example"],
            ["https://p.example/@me"],
            partial(field, "address"),
        ),
        *(
            case
            for name in matchers
            for case in (
                value_case(
                    f"{here}.{name}",
                    "a matcher's key must be the name of a Prometheus label, such as cluster",
                    [{"2nd": "x"}, {"a-b": "x"}, {"a{}": "x"}, {"__name__": "x"}, {"le": "1"}],
                    [{"_a9": "x"}, {"Cluster": "x", "cluster": None}],
                    partial(field, name),
                ),
                value_case(
                    f"{here}.{name}",
                    "a matcher's value must be one line without control characters",
                    [{"cluster": "a\nb"}, {"cluster": "a\u0000b"}, {"cluster": "\u007f"}],
                    [{"cluster": 'a"b\\c é'}],
                    partial(field, name),
                ),
            )
        ),
        value_case(
            f"{here}.authorization.type",
            "use basicAuth for user name and password",
            ["Basic", "basic"],
            ["Bearer", "Token"],
            lambda word: put({"authorization": {"type": word, "credentials": SECRET}}),
        ),
        Case(
            f"{here}.tlsConfig: certificate and key",
            f"{here}.tlsConfig",
            "a client certificate needs both: set cert and keySecret, or neither",
            [
                put({"address": "https://p", "tlsConfig": {"cert": {"secret": SECRET}}}),
                put({"address": "https://p", "tlsConfig": {"keySecret": SECRET}}),
            ],
            [
                put(
                    {
                        "address": "https://p",
                        "tlsConfig": {"cert": {"secret": SECRET}, "keySecret": SECRET},
                    }
                ),
                put({"address": "https://p", "tlsConfig": {"ca": {"secret": SECRET}}}),
            ],
        ),
    ]


def _labels(name: str) -> list[Case]:
    other = "targetMatchers" if name == "sourceMatchers" else "sourceMatchers"

    def put(value: object) -> Json:
        return gateway(**{name: value, other: {"service": "other"}})

    return [
        value_case(
            f"{GATEWAY_HERE}.{name}",
            "a matcher's key must be the name of a Prometheus label, such as cluster",
            [{"a-b": "x"}, {"le": "1"}],
            [{"_a9": "x"}],
            put,
        ),
        value_case(
            f"{GATEWAY_HERE}.{name}",
            "a matcher's value must be one line without control characters",
            [{"cluster": "a\nb"}],
            [{"cluster": 'a"b'}],
            put,
        ),
    ]


_ONE, _OTHER = {"service": "one"}, {"service": "other"}
GATEWAY: Final = (
    *prometheus_cases(
        f"{GATEWAY_HERE}.prometheus",
        "matchers",
        put=lambda edit: gateway(prometheus=WHERE | edit),
    ),
    *_labels("sourceMatchers"),
    *_labels("targetMatchers"),
    Case(
        "counted by a gateway that is not named",
        "spec.traffic",
        "delivery.countedBy: Gateway needs the gateway's metrics",
        [at("spec.traffic.delivery.countedBy", "Gateway")],
        [
            at("spec.traffic.delivery.countedBy", "Servers"),
            merged(gateway(), at("spec.traffic.delivery.countedBy", "Gateway")),
            merged(gateway(), at("spec.traffic.delivery.countedBy", "Servers")),
        ],
    ),
    Case(
        "labels of one backend alone",
        GATEWAY_HERE,
        "set sourceMatchers and targetMatchers, or neither",
        [gateway(sourceMatchers=_ONE), gateway(targetMatchers=_ONE)],
        [gateway(), gateway(sourceMatchers=_ONE, targetMatchers=_OTHER)],
    ),
    Case(
        "Envoy Gateway counts all backends of a rule together",
        GATEWAY_HERE,
        "Envoy Gateway counts all backends of a rule together unless each backendRef carries a filter",
        [gateway(profile="EnvoyGateway")],
        [gateway(profile="EnvoyGateway", sourceMatchers=_ONE, targetMatchers=_OTHER)],
    ),
    Case(
        "the same labels for both backends",
        GATEWAY_HERE,
        "sourceMatchers and targetMatchers are equal",
        [gateway(sourceMatchers=_ONE, targetMatchers=_ONE)],
        [gateway(sourceMatchers=_ONE, targetMatchers=_OTHER)],
    ),
)
