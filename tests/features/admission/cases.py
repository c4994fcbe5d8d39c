"""One case for each rule of the definition: what it refuses, what it still admits.

A case names the schema path that carries the rule and the words of its sentence. These rules are
tried on creation; the ones that compare old with new are in transitions.py.
"""

from collections.abc import Callable
from typing import Any

from tests.features.admission.case import Case, duration_case, value_case
from tests.features.admission.cluster_cases import CLUSTERS
from tests.features.admission.golden_cases import GOLDEN
from tests.features.admission.holdout_cases import HOLDOUT
from tests.features.admission.outputs_cases import OUTPUTS, outputs
from tests.features.admission.prometheus_cases import GATEWAY, prometheus_cases
from tests.features.admission.rollouts import Json, at, spec
from tests.features.admission.route_cases import ROUTES, as_additional, is_of_one_kind
from tests.features.admission.router_cases import ROUTERS

END = {"weight": 100}
LATENCY = {"metric": "TimeToFirstToken", "threshold": "1s", "maxAbove": "5%", "margin": "2.5%"}
DRIFT = {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"}
BUCKETS = "sum by (le) (increase(score_bucket{$matchers}[$window]))"
ERRORS = {"max": "1%", "ratio": "2"}
MEAN = {"metric": "EndToEnd", "maxIncrease": "10%"}
QUERY = "sum(increase(done_total{$matchers}[$window]))"
NUMBER: dict[str, str | None] = {"expr": "sum(waiting{$matchers})", "max": "3"}
CUSTOM = {"requests": QUERY, "errors": QUERY}
QUERY_SENTENCE = "use both $matchers and $window in the query, as in sum(increase("
SECRET = {"name": "prometheus", "key": "token"}


def pause(duration: str) -> Json:
    return spec({"steps": [{"pause": {"duration": duration}}, END]})


def soak(duration: str) -> Json:
    return spec({"steps": [END, {"soak": {"duration": duration}}]})


def steps(*each: Json) -> Json:
    return spec({"steps": list(each)})


def shadow(percent: str) -> Json:
    return {"shadow": {"percent": percent, "duration": "1m"}}


def own(field: str) -> Callable[[str], Json]:
    """A weight step with a duration of its own."""
    return lambda text: steps({"weight": 5, field: text}, END)


def gates(*each: Json) -> Json:
    return spec({"gates": list(each)})


def latency(**changed: str) -> Json:
    return gates({"name": "latency", "latency": LATENCY | changed})


def errors(**changed: str) -> Json:
    return gates({"name": "errors", "errorRate": ERRORS | changed})


def query(**changed: str | None) -> Json:
    given = {name: value for name, value in (NUMBER | changed).items() if value is not None}
    return gates({"name": "number", "query": given})


def drift(**changed: Any) -> Json:
    """A drift gate, changed; what is None is left out."""
    whole = {key: value for key, value in (DRIFT | changed).items() if value is not None}
    return gates({"name": "drift", "drift": whole})


ENDPOINT = {"url": "http://llama-chat.inference:8000"}
WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}
SOME_SHARE = "write a share of more than 0% and at most 100%, such as 80%"


def warm_up(edit: Json) -> Json:
    return spec({"target": {"endpoint": ENDPOINT}, "warmUp": edit})


def windows(**changed: str) -> Json:
    office = {"schedule": "0 9 * * 1-5", "duration": "8h", "timeZone": "Europe/Berlin"}
    return spec({"windows": [office | changed]})


def drain(edit: Json) -> Json:
    return spec({"afterCompletion": {"drain": edit}})


def custom(edit: Json) -> Json:
    return spec({"profile": "Custom", "custom": CUSTOM | edit})


def endpoint(side: str) -> list[Case]:
    here = f"spec.{side}.endpoint"

    def put(value: Json) -> Json:
        return at(here, value)

    return [
        Case(
            f"{here}: certificates need TLS",
            here,
            "tlsConfig has no effect on http://: write the url with https://",
            [put({"url": "http://m:8000", "tlsConfig": {"serverName": "m"}})],
            [put({"url": "https://m:8000", "tlsConfig": {"serverName": "m"}})],
        ),
        value_case(
            f"{here}.url",
            "write the base URL of the model server, such as http://llama-chat.inference:8000",
            ["m:8000", "ftp://m", "http://:8000", "http://[::1", "http://m?a=b", "http://m/#a"],
            [
                "http://llama-chat.inference:8000",
                "https://llama.example/tenant",
                "http://[::1]:8000",
            ],
        ),
        value_case(
            f"{here}.url",
            "keep credentials out of the url: put them into a Secret and name it in headersFrom",
            ["http://me:secret@m:8000", "https://me@m"],
            ["http://m:8000/me@home"],
        ),
        Case(
            f"{here}.tlsConfig: certificate and key",
            f"{here}.tlsConfig",
            "a client certificate needs both: set cert and keySecret, or neither",
            [
                put({"url": "https://m", "tlsConfig": {"cert": {"secret": SECRET}}}),
                put({"url": "https://m", "tlsConfig": {"keySecret": SECRET}}),
            ],
            [
                put(
                    {
                        "url": "https://m",
                        "tlsConfig": {"cert": {"secret": SECRET}, "keySecret": SECRET},
                    }
                )
            ],
        ),
    ]


def dataset(here: str, put: Callable[[Json], Json]) -> list[Case]:
    """The rules of a golden set, wherever one is named."""
    held = {"configMapKeyRef": {"name": "golden"}}
    digest = "0" * 64
    fetched = {"url": "https://evals.example/golden.jsonl", "sha256": digest}
    return [
        Case(
            f"{here}: one place",
            here,
            "a golden set is in one place: set exactly one of configMapKeyRef, secretKeyRef and url",
            [put({}), put(held | {"secretKeyRef": {"name": "golden"}}), put(held | fetched)],
            [put(held), put({"secretKeyRef": {"name": "golden"}}), put(fetched)],
        ),
        Case(
            f"{here}: the one that was meant",
            here,
            "a golden set behind a url is read only if it is the one that was meant: set url and sha256",
            [put({"url": fetched["url"]}), put(held | {"sha256": digest})],
            [put(fetched)],
        ),
        value_case(
            f"{here}.url",
            "http:// can be read on the way: use https://, or an address inside the cluster",
            ["http://evals.example/golden.jsonl", "http://10.0.0.1/golden.jsonl"],
            ["http://evals.inference.svc/golden.jsonl", "s3://evals/golden.jsonl"],
            lambda url: put({"url": url, "sha256": digest}),
        ),
    ]


SAME = {"address": "http://p:9090", "matchers": {"cluster": "one"}}


STATIC: list[Case] = [
    *prometheus_cases("spec.source.prometheus", "matchers", "gpuMatchers"),
    *prometheus_cases("spec.target.prometheus", "matchers", "gpuMatchers"),
    *endpoint("source"),
    *endpoint("target"),
    *dataset("spec.warmUp.dataset", lambda golden: warm_up({"dataset": golden})),
    Case(
        "custom profile without queries",
        "spec",
        "profile Custom needs spec.custom: write there the PromQL",
        [spec({"profile": "Custom"}), at("spec.target.profile", "Custom")],
        [
            spec({"profile": "Custom", "custom": CUSTOM}),
            spec({"custom": CUSTOM, "source": {"profile": "Custom"}}),
            spec({"profile": "Custom", "abort": True}),
        ],
        "spec.custom",
    ),
    Case(
        "queries without custom profile",
        "spec",
        "spec.custom is read only with profile Custom: set profile: Custom",
        [spec({"custom": CUSTOM})],
        [spec({"custom": CUSTOM, "target": {"profile": "Custom"}})],
        "spec.custom",
    ),
    Case(
        "both sides read the same series",
        "spec",
        "source and target read the same series (equal address and matchers)",
        [spec({"source": {"prometheus": SAME}, "target": {"prometheus": SAME}})],
        [
            spec(
                {
                    "source": {"prometheus": SAME},
                    "target": {"prometheus": SAME | {"matchers": {"cluster": "two"}}},
                }
            ),
            spec(
                {
                    "source": {"prometheus": SAME},
                    "target": {"prometheus": SAME | {"address": "http://q:9090"}},
                }
            ),
        ],
        "spec.target.prometheus.matchers",
    ),
    *(
        value_case(
            carrier,
            QUERY_SENTENCE,
            ["sum(done_total)", "sum(done_total{$matchers})", "sum(increase(done_total[$window]))"],
            [QUERY],
            place,
        )
        for carrier, place in (
            ("spec.custom.requests", lambda query: custom({"requests": query})),
            ("spec.custom.errors", lambda query: custom({"errors": query})),
            (
                "spec.custom.latencies[].buckets",
                lambda query: custom({"latencies": [{"metric": "EndToEnd", "buckets": query}]}),
            ),
        )
    ),
    Case(
        "one latency metric twice",
        "spec.custom.latencies",
        "two latencies have the same metric: give each its own",
        [custom({"latencies": [{"metric": "EndToEnd", "buckets": QUERY}] * 2})],
        [custom({"latencies": [{"metric": m, "buckets": QUERY} for m in ("EndToEnd", "First")]})],
    ),
    *ROUTERS,
    *ROUTES,
    *(as_additional(one) for one in (*ROUTERS, *ROUTES) if is_of_one_kind(one)),
    Case(
        "weights fall",
        "spec.steps",
        "weights must rise from step to step: put the smaller weight first",
        [
            steps({"weight": 50}, {"weight": 25}, END),
            steps({"weight": 25}, {"weight": 25}, END),
            steps(END, {"weight": 5}),
        ],
        [steps({"weight": 1}, {"approval": {"name": "go"}}, {"weight": 2}, END), steps(END)],
    ),
    Case(
        "weights end below 100",
        "spec.steps",
        "the last weight must be 100: add a step weight: 100",
        [
            steps({"weight": 50}),
            steps({"approval": {"name": "go"}}),
            steps({"weight": 99}, {"soak": {"duration": "1h"}}),
        ],
        [steps({"weight": 50}, END)],
    ),
    Case(
        "shadow is not first",
        "spec.steps",
        "shadow steps come first, at most 3 of them",
        [
            steps({"weight": 5}, shadow("10%"), END),
            steps({"pause": {"duration": "1m"}}, shadow("10%"), END),
            steps(shadow("1%"), {"approval": {"name": "go"}}, shadow("10%"), END),
            steps(*(shadow(f"{percent}%") for percent in (1, 5, 10, 100)), END),
        ],
        [steps(*(shadow(f"{percent}%") for percent in (1, 10, 100)), END)],
    ),
    Case(
        "shadow steps that do not rise",
        "spec.steps",
        "each shadow step must mirror more than the one before",
        [
            steps(shadow("10%"), shadow("9%"), END),
            steps({"shadow": {"duration": "1m"}}, shadow("100%"), END),
        ],
        [steps(shadow("9%"), shadow("10%"), {"shadow": {"duration": "1m"}}, END)],
    ),
    value_case(
        "spec.steps[].shadow.percent",
        "write a whole percentage from 1% to 100%",
        ["0%", "0.5%", "00%"],
        ["1%", "50%", "100%"],
        lambda text: steps(shadow(text), END),
    ),
    duration_case(
        "spec.steps[].shadow.duration",
        "1s",
        "24h",
        ["999ms", "24h1s"],
        lambda text: steps({"shadow": {"duration": text}}, END),
    ),
    Case(
        "soak is not last",
        "spec.steps",
        "write at most one soak, as the last step",
        [
            steps({"soak": {"duration": "1h"}}, END),
            steps(END, {"soak": {"duration": "1h"}}, {"pause": {"duration": "1h"}}),
            steps(END, {"soak": {"duration": "1h"}}, {"soak": {"duration": "1h"}}),
        ],
        [steps(END, {"soak": {"duration": "1h"}}), steps(END)],
    ),
    Case(
        "one approval twice",
        "spec.steps",
        "two approval steps have the same name: give each its own",
        [steps({"approval": {"name": "go"}}, {"weight": 5}, {"approval": {"name": "go"}}, END)],
        [steps({"approval": {"name": "go"}}, {"weight": 5}, {"approval": {"name": "on"}}, END)],
    ),
    Case(
        "a step of no or two kinds",
        "spec.steps[]",
        "a step does one thing: set exactly one of shadow, weight, pause, approval and soak",
        [
            steps({}, END),
            steps({"weight": 5, "pause": {"duration": "1m"}}, END),
            steps({"approval": {"name": "go"}, "soak": {"duration": "1m"}}, END),
            steps({"shadow": {"duration": "1m"}, "weight": 5}, END),
        ],
        [steps({"pause": {"duration": "1m"}}, END)],
    ),
    Case(
        "what belongs to a weight step",
        "spec.steps[]",
        "settle, minDuration, maxDuration, minRequests, gates belong to a weight step",
        [
            steps({"pause": {"duration": "1m"}, "settle": "1m"}, END),
            steps({"approval": {"name": "go"}, "gates": ["errors"]}, END),
            steps(END, {"soak": {"duration": "1m"}, "minDuration": "1m"}),
            steps({"pause": {"duration": "1m"}, "maxDuration": "1m"}, END),
            steps({"pause": {"duration": "1m"}, "minRequests": 100}, END),
        ],
        [
            steps(
                {
                    "weight": 1,
                    "settle": "5m",
                    "minDuration": "10m",
                    "maxDuration": "3h",
                    "minRequests": 100,
                    "gates": ["errors"],
                },
                END,
            )
        ],
    ),
    Case(
        "a step's minDuration over its maxDuration",
        "spec.steps[]",
        "minDuration must not be longer than maxDuration: lower minDuration or raise maxDuration",
        [steps({"weight": 5, "minDuration": "2h", "maxDuration": "1h"}, END)],
        [steps({"weight": 5, "minDuration": "1h", "maxDuration": "1h"}, END)],
        "spec.steps[].minDuration",
    ),
    duration_case("spec.steps[].settle", "0s", "1h", ["1h1s"], own("settle")),
    duration_case("spec.steps[].minDuration", "0s", "24h", ["25h"], own("minDuration")),
    duration_case("spec.steps[].maxDuration", "1s", "168h", ["0s", "169h"], own("maxDuration")),
    duration_case("spec.steps[].pause.duration", "1s", "720h", ["0s", "720h1s"], pause),
    duration_case("spec.steps[].soak.duration", "1s", "720h", ["999ms", "721h"], soak),
    Case(
        "minDuration over maxDuration",
        "spec.analysis",
        "minDuration must not be longer than maxDuration: lower minDuration or raise maxDuration",
        [
            at("spec.analysis", {"minDuration": "61m"}),
            at("spec.analysis", {"maxDuration": "4m"}),
        ],
        [at("spec.analysis", {"minDuration": "60m"}), at("spec.analysis.maxDuration", "5m")],
    ),
    Case(
        "settle over maxDuration",
        "spec.analysis",
        "settle must be shorter than maxDuration, or no step ever gathers evidence",
        [
            at("spec.analysis.settle", "60m"),
            at("spec.analysis", {"maxDuration": "2m", "minDuration": "1m"}),
        ],
        [at("spec.analysis.settle", "59m")],
    ),
    duration_case("spec.analysis.interval", "1s", "10m", ["0s", "999ms", "10m1s"]),
    duration_case("spec.analysis.guardInterval", "1s", "1m", ["0s", "61s"]),
    duration_case(
        "spec.analysis.settle",
        "0s",
        "1h",
        ["1h1s"],
        lambda text: at("spec.analysis", {"settle": text, "maxDuration": "168h"}),
    ),
    duration_case(
        "spec.analysis.minDuration",
        "0s",
        "24h",
        ["24h1s"],
        lambda text: at("spec.analysis", {"minDuration": text, "maxDuration": "168h"}),
    ),
    duration_case(
        "spec.analysis.maxDuration",
        "1s",
        "168h",
        ["0s", "169h"],
        lambda text: at(
            "spec.analysis", {"minDuration": "0s", "settle": "0s", "maxDuration": text}
        ),
    ),
    duration_case("spec.analysis.outageLimit", "1s", "24h", ["0s", "25h"]),
    duration_case("spec.guards.queue.sustained", "10s", "1h", ["9s", "61m"]),
    duration_case("spec.guards.kvCache.sustained", "10s", "1h", ["9s", "61m"]),
    value_case("spec.guards.kvCache.max", SOME_SHARE, ["0%", "0.00%"], ["0.1%", "95%", "100%"]),
    value_case(
        "spec.windows[].schedule",
        "write a cron expression of five fields (minute, hour, day of month, month, day of week)",
        [
            "0 9 * *",
            "60 9 * * *",
            "0 24 * * *",
            "0 9 0 * *",
            "0 9 * 13 *",
            "0 9 * * 8",
            "0 0 9 * * *",
            "@daily every",
            "0 9 * * MON#1",
            "0 9 L * *",
            "0 9 * * 1-",
        ],
        ["0 9 * * 1-5", "*/15 8-17 1,15 JAN-MAR mon-fri", "05 09 31 12 7", "0  9 * * *"],
        lambda text: windows(schedule=text),
    ),
    duration_case(
        "spec.windows[].duration",
        "1m",
        "168h",
        ["59s", "169h"],
        lambda text: windows(duration=text),
    ),
    value_case(
        "spec.windows[].timeZone",
        "write UTC or a time zone by its name in the IANA database, such as Europe/Berlin",
        ["CET", "+01:00", "Europe/", "berlin/europe", "Local", "Europe/Berlin "],
        ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"],
        lambda text: windows(timeZone=text),
    ),
    value_case("spec.capacity.headroom", SOME_SHARE, ["0%", "0.00%"], ["0.1%", "80%", "100%"]),
    Case(
        "warm-up without an endpoint",
        "spec",
        "warmUp sends requests to the target's model server: name it in target.endpoint, or remove warmUp",
        [spec({"warmUp": {}})],
        [
            spec({"warmUp": {}, "target": {"endpoint": ENDPOINT}}),
            spec({"warmUp": {}, "abort": True}),
        ],
        "spec.warmUp",
    ),
    Case(
        "a source to be scaled to zero that nobody has named",
        "spec",
        "afterCompletion.source ScaleToZero needs to know what to scale: name the source's Deployment",
        [spec({"afterCompletion": {"source": "ScaleToZero"}})],
        [
            spec({"afterCompletion": {"source": "ScaleToZero"}, "source": {"workload": WORKLOAD}}),
            spec({"afterCompletion": {"source": "Keep"}}),
            spec({"afterCompletion": {"drain": {}}}),
            spec({"afterCompletion": {"source": "ScaleToZero"}, "abort": True}),
        ],
        "spec.afterCompletion",
    ),
    Case(
        "a drain whose quiet is longer than its timeout",
        "spec.afterCompletion.drain",
        "quiet must not be longer than timeout, or the source could never be found idle",
        [drain({"quiet": "31m"}), drain({"timeout": "4m"})],
        [drain({"quiet": "30m"}), drain({"quiet": "1m", "timeout": "1m"})],
    ),
    duration_case(
        "spec.afterCompletion.drain.quiet",
        "10s",
        "1h",
        ["9s", "61m"],
        lambda value: drain({"quiet": value, "timeout": "24h"}),
    ),
    duration_case(
        "spec.afterCompletion.drain.timeout",
        "1m",
        "24h",
        ["59s", "25h"],
        lambda value: drain({"quiet": "10s", "timeout": value}),
    ),
    Case(
        "warm-up of a protocol whose requests only the user knows",
        "spec.warmUp",
        "what a request of this protocol looks like only you know: name some in dataset",
        [warm_up({"protocol": "KServeV1"}), warm_up({"protocol": "OpenInferenceV2"})],
        [
            warm_up({}),
            warm_up({"protocol": "OpenAIEmbeddings"}),
            warm_up({"protocol": "KServeV1", "dataset": {"configMapKeyRef": {"name": "golden"}}}),
        ],
        "spec.warmUp.dataset",
    ),
    Case(
        "one gate name twice",
        "spec.gates",
        "two gates have the same name: give each its own",
        [gates({"name": "a", "latency": LATENCY}, {"name": "a", "errorRate": ERRORS})],
        [gates({"name": "a", "latency": LATENCY}, {"name": "b", "errorRate": ERRORS})],
    ),
    Case(
        "a gate of no or two kinds",
        "spec.gates[]",
        "a gate judges one thing: set exactly one of ",
        [
            gates({"name": "a"}),
            gates({"name": "a", "latency": LATENCY, "errorRate": ERRORS}),
            gates({"name": "a", "errorRate": ERRORS, "drift": DRIFT}),
        ],
        [gates({"name": "a", "errorRate": ERRORS}), gates({"name": "a", "drift": DRIFT})],
    ),
    Case(
        "a drift gate of no or two distributions",
        "spec.gates[].drift",
        "a drift gate compares one distribution: set exactly one of distribution, histogram, classes",
        [
            drift(distribution=None),
            drift(histogram={"metric": "score"}),
            drift(distribution=None, buckets=BUCKETS, classes={"metric": "a_total", "label": "b"}),
        ],
        [
            drift(),
            drift(distribution=None, histogram={"metric": "app:score"}),
            drift(distribution=None, classes={"metric": "a_total", "label": "b"}),
            drift(distribution=None, buckets=BUCKETS),
            outputs(),
        ],
    ),
    Case(
        "classes by a method that needs an order",
        "spec.gates[].drift",
        "classes have no order, so KS and Wasserstein cannot compare them",
        [
            drift(distribution=None, classes={"metric": "a_total", "label": "b"}, method="KS"),
            drift(
                distribution=None, classes={"metric": "a_total", "label": "b"}, method="Wasserstein"
            ),
        ],
        [
            drift(distribution=None, classes={"metric": "a_total", "label": "b"}, method="TV"),
            drift(method="KS"),
        ],
        "spec.gates[].drift.method",
    ),
    Case(
        "a max that a share never has",
        "spec.gates[].drift",
        "JS, TV, KS and ChiSquare are never above 1: write a max below 1",
        [drift(method=method, max="1") for method in ("JS", "TV", "KS", "ChiSquare")],
        [
            drift(method="TV", max="0.99"),
            drift(method="PSI", max="1"),
            drift(method="Wasserstein", max="2"),
        ],
        "spec.gates[].drift.max",
    ),
    value_case(
        "spec.gates[].drift.max",
        "write how far apart the two sides may be, a number above 0 and up to 100 in quotes",
        ["0", "0.0", "101"],
        ["0.000001", "100"],
        lambda text: drift(max=text),
    ),
    value_case(
        "spec.gates[].drift.buckets",
        QUERY_SENTENCE,
        ["sum by (le) (increase(score_bucket[$window]))", "score_bucket{$matchers}"],
        [BUCKETS],
        lambda text: drift(distribution=None, buckets=text),
    ),
    Case(
        "a gate that needs traffic before there is any",
        "spec.gates[]",
        "this gate judges what the target does with its share of the traffic",
        [
            gates({"name": "a", "errorRate": ERRORS, "run": "BeforeTraffic"}),
            gates({"name": "a", "latency": LATENCY, "run": "BeforeTraffic"}),
            gates({"name": "a", "meanLatency": MEAN, "run": "BeforeTraffic"}),
            gates({"name": "a", "drift": DRIFT, "run": "BeforeTraffic"}),
        ],
        [
            gates({"name": "a", "errorRate": ERRORS, "run": "EachStep", "onFail": "Pause"}),
            gates({"name": "a", "latency": LATENCY, "onFail": "Report"}),
            gates({"name": "a", "query": NUMBER, "run": "BeforeTraffic"}),
            outputs(run="BeforeTraffic"),
        ],
        "spec.gates[].run",
    ),
    Case(
        "a query without bounds",
        "spec.gates[].query",
        "a query gate needs a bound: set max, min or both",
        [query(max=None)],
        [query(), query(max=None, min="1"), query(min="-1")],
    ),
    Case(
        "a query's bounds exchanged",
        "spec.gates[].query",
        "min must not be above max, or nothing ever passes",
        [query(min="3.1"), query(max="-2", min="-1.5")],
        [query(min="3"), query(max="-1.5", min="-2")],
        "spec.gates[].query.min",
    ),
    Case(
        "a ratio of the source to itself",
        "spec.gates[].query",
        "of: Ratio needs $matchers in expr, as in sum(my_gauge{$matchers})",
        [query(of="Ratio", expr="sum(waiting)")],
        [query(of="Ratio"), query(of="Target", expr="sum(waiting)"), query(expr="vector(1)")],
        "spec.gates[].query.expr",
    ),
    *(
        value_case(
            f"spec.gates[].query.{bound}",
            'write a decimal number in quotes, such as "3"',
            ["three", "1e3", "+1", ".5", "1."],
            ["3", "0.5", "-2", "999999999999.999999999"],
            place,
        )
        for bound, place in (
            ("max", lambda text: query(max=text)),
            ("min", lambda text: query(max=None, min=text)),
        )
    ),
    duration_case(
        "spec.gates[].latency.threshold",
        "1ms",
        "1h",
        ["0ms", "0.5ms", "1h1ms"],
        lambda text: latency(threshold=text),
    ),
    value_case(
        "spec.gates[].latency.maxAbove",
        "write a share from 0% to less than 100%",
        ["100%", "100.0%", "5", "120%", "-1%"],
        ["0%", "99.9999%"],
        lambda text: latency(maxAbove=text),
    ),
    value_case(
        "spec.gates[].latency.margin",
        "write a share of more than 0% and less than 100%",
        ["100%", "0%", "0.0%", "two"],
        ["0.0001%", "99%"],
        lambda text: latency(margin=text),
    ),
    value_case(
        "spec.gates[].meanLatency.maxIncrease",
        "write a share of more than 0% and less than 100%",
        ["100%", "0%", "0.1"],
        ["10%", "99%"],
        lambda text: gates({"name": "a", "meanLatency": MEAN | {"maxIncrease": text}}),
    ),
    value_case(
        "spec.gates[].errorRate.max",
        "write a share of more than 0% and less than 100%",
        ["100%", "0%", "1"],
        ["0.1%", "99%"],
        lambda text: errors(max=text),
    ),
    value_case(
        "spec.gates[].errorRate.ratio",
        "write how many times the source's share is allowed, a number from 1 to 100",
        ["0.9", "0", "100.1", "twice", "2%"],
        ["1", "1.5", "100"],
        lambda text: errors(ratio=text),
    ),
    *GOLDEN,
    *HOLDOUT,
    *OUTPUTS,
    *CLUSTERS,
    *GATEWAY,
]
