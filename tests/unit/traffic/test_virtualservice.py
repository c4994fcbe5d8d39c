"""Where a VirtualService names the two destinations, and what is said when it does not."""

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.istio import Destination, VirtualService
from cutover.decide.route import RuleWeights
from cutover.decide.weights import restored, weights_at
from cutover.traffic.seen import see
from cutover.traffic.virtualservice import VirtualServiceLayout, refusal

Json = dict[str, Any]


def wanted(**fields: Any) -> VirtualServiceLayout:
    document = {
        "name": "chat",
        "sourceDestination": {"host": "a"},
        "targetDestination": {"host": "b"},
    }
    return VirtualServiceLayout(VirtualService.model_validate({**document, **fields}))


def to(host: str, weight: int | None = None, **destination: Any) -> Json:
    written = {} if weight is None else {"weight": weight}
    return {"destination": {"host": host, **destination}, **written}


def service(**lists: list[Json]) -> Json:
    metadata = {"name": "chat", "namespace": "ns", "resourceVersion": "7", "generation": 2}
    return {"metadata": metadata, "spec": {"hosts": ["chat"], **lists}}


def rule(*routes: Json, **fields: Any) -> Json:
    return {"route": list(routes), **fields}


BOTH = rule(to("a", 100), to("b"))


def test_rules_are_counted_through_http_tls_and_tcp() -> None:
    document = service(
        http=[{"redirect": {"uri": "/x"}}, BOTH],
        tls=[rule(to("c"))],
        tcp=[rule(to("b", 5), to("c", 30), to("a", 65))],
    )
    seen = see(document, wanted())
    assert seen.rules == (RuleWeights(1, 100, 0), RuleWeights(3, 65, 5, 30))
    assert seen.problem is None
    assert seen.accepted


@pytest.mark.parametrize(
    ("named", "written", "same"),
    [
        ({"host": "x"}, {"host": "x", "port": {"number": 80}}, True),
        ({"host": "x", "port": 80}, {"host": "x", "port": {"number": 80}}, True),
        ({"host": "x", "port": 80}, {"host": "x", "port": {"number": 81}}, False),
        ({"host": "x", "port": 80}, {"host": "x"}, False),
        ({"host": "x", "subset": "s"}, {"host": "x", "subset": "s"}, True),
        ({"host": "x", "subset": "s"}, {"host": "x"}, False),
        ({"host": "x"}, {"host": "x", "subset": "s"}, False),
        ({"host": "x"}, {"host": "x.ns.svc.cluster.local"}, False),
    ],
)
def test_a_destination_is_its_host_subset_and_port(named: Json, written: Json, same: bool) -> None:
    document = service(http=[rule({"destination": written, "weight": 9}, to("b"))])
    seen = see(document, wanted(sourceDestination=named))
    assert seen.rules == ((RuleWeights(0, 9, 0),) if same else ())
    assert seen.problem_reason == (None if same else "BackendNotFound")


@pytest.mark.parametrize(
    ("lists", "rules", "reason", "words"),
    [
        pytest.param(
            {"http": [BOTH, rule(to("a"), name="slow")]},
            None,
            "RuleNotCovered",
            "rule http/1 (slow) names host a but not host b: add host b with weight 0, or list the"
            " rules meant in spec.traffic.virtualService.rules",
            id="source-only",
        ),
        pytest.param({"http": [BOTH, rule(to("a"))]}, ["http/0"], None, "", id="listed-by-index"),
        pytest.param(
            {"http": [BOTH | {"name": "chat"}, rule(to("a"))]},
            ["chat"],
            None,
            "",
            id="listed-by-name",
        ),
        pytest.param(
            {"http": [BOTH], "tcp": [rule(to("a"))]},
            ["http/0", "tcp/0"],
            "RuleNotCovered",
            "rule tcp/0 names host a but not host b",
            id="listed-source-only",
        ),
        pytest.param(
            {"http": [BOTH, rule(to("c"))]},
            ["http/0", "http/1"],
            "RuleNotCovered",
            "rule http/1 is listed in spec.traffic.virtualService.rules but does not name both",
            id="listed-neither",
        ),
        pytest.param(
            {"http": [BOTH | {"name": "chat"}, BOTH]},
            ["chta"],
            "RuleNotCovered",
            "spec.traffic.virtualService.rules lists chta, but the VirtualService has no such rule (it has"
            " chat, http/1): correct the list",
            id="listed-unknown",
        ),
        pytest.param(
            {"http": [rule(to("a"))]},
            None,
            "BackendNotFound",
            "no rule of the route names host b: add it as a destination with weight 0 or correct"
            " spec.traffic.virtualService.targetDestination",
            id="no-target",
        ),
        pytest.param(
            {"http": [rule(to("a", 50, port={"number": 1}), to("a", 50), to("b"))]},
            None,
            "BackendRepeated",
            "rule http/0 names host a 2 times: keep one entry, or name the destination's port",
            id="twice",
        ),
    ],
)
def test_what_is_said_of_a_rule_that_does_not_name_both(
    lists: dict[str, list[Json]], rules: list[str] | None, reason: str | None, words: str
) -> None:
    seen = see(service(**lists), wanted(**({"rules": rules} if rules else {})))
    assert seen.problem_reason == reason
    assert words in (seen.problem or "")


def test_the_only_destination_gets_everything_whatever_its_weight() -> None:
    place = wanted().find(service(http=[BOTH, rule(to("c")), rule(to("c", 0))]))
    assert place.problem is None
    only = see(service(http=[rule(to("a"))]), wanted(rules=["http/0"]))
    assert only.problem_reason == "BackendNotFound"
    assert only.rules == ()


@pytest.mark.parametrize(
    ("status", "says"),
    [
        pytest.param({}, "", id="istiod-writes-none"),
        pytest.param({"observedGeneration": 1}, "", id="an-old-status-is-no-refusal"),
        pytest.param(
            {
                "observedGeneration": "1",
                "validationMessages": [{"level": "ERROR", "type": {"code": "IST0101"}}],
            },
            "",
            id="an-error-that-was-mended",
        ),
        pytest.param(
            {
                "observedGeneration": "2",
                "validationMessages": [
                    {"level": "WARNING", "type": {"code": "IST0133"}},
                    {
                        "level": "ERROR",
                        "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"},
                        "documentationUrl": "https://istio.io/ist0101",
                    },
                ],
            },
            "istiod finds an error in it: IST0101 ReferencedResourceNotFound (https://istio.io/ist0101)",
            id="an-error",
        ),
        pytest.param(
            {
                "conditions": [
                    {
                        "type": "Reconciled",
                        "status": "False",
                        "observedGeneration": "2",
                        "message": "1/3",
                    }
                ]
            },
            "istiod says Reconciled=False (1/3)",
            id="not-reconciled",
        ),
        pytest.param(
            {"conditions": [{"type": "Reconciled", "status": "False", "observedGeneration": 1}]},
            "",
            id="about-an-older-one",
        ),
        pytest.param(
            {"conditions": [{"type": "Reconciled", "status": "True"}]}, "", id="reconciled"
        ),
    ],
)
def test_only_what_istiod_says_against_it_is_a_refusal(status: Json, says: str) -> None:
    assert refusal(service(http=[BOTH]) | {"status": status}) == says


RULES = st.builds(
    lambda hosts, weights, extra: rule(
        *(
            to(host, 0 if host == "b" else weight)
            for host, weight in zip(hosts, weights, strict=True)
        ),
        **extra,
    ),
    st.permutations(["a", "b", "c"]),
    st.tuples(*[st.integers(1, 400)] * 3),
    st.dictionaries(st.sampled_from(["match", "timeout", "mirror"]), st.integers()),
)


@given(
    http=st.lists(RULES, max_size=4),
    tls=st.lists(RULES, max_size=3),
    tcp=st.lists(RULES, min_size=1, max_size=3),
    weight=st.integers(0, 100),
)
def test_everything_else_stays_and_a_rollback_brings_the_numbers_back(
    http: list[Json], tls: list[Json], tcp: list[Json], weight: int
) -> None:
    before = service(http=http, tls=tls, tcp=tcp)
    layout = wanted()

    def write(document: Json, numbers: tuple[RuleWeights, ...]) -> Json:
        places = {place.rule: place for place in layout.find(document).places}
        operations = [o for n in numbers for o in layout.numbers(places[n.rule], n)]
        result: Json = jsonpatch.apply_patch(document, operations)
        return result

    original = see(before, layout).rules
    assert len(original) == len(http) + len(tls) + len(tcp)
    during = write(before, weights_at(original, weight))
    assert write(during, restored(see(during, layout).rules, original)) == before
    assert without_weights(during) == without_weights(before)


def without_weights(document: Json) -> Json:
    bare = deepcopy(document)
    for kind in ("http", "tls", "tcp"):
        for one in bare["spec"][kind]:
            for route in one["route"]:
                if route["destination"]["host"] in "ab":
                    del route["weight"]
    return bare


@pytest.mark.parametrize(
    ("host", "name", "namespace"),
    [
        ("chat", "chat", None),
        ("chat.models.svc.cluster.local", "chat", "models"),
        ("chat.models.svc", "chat", "models"),
        ("chat.mesh.internal", "chat.mesh.internal", None),
        ("llm.example.com", "llm.example.com", None),
    ],
)
def test_a_host_is_a_service_of_the_cluster_or_itself(
    host: str, name: str, namespace: str | None
) -> None:
    backend = Destination(host=host).as_backend()
    assert (backend.name, backend.namespace) == (name, namespace)
