"""Which records of a DNSEndpoint carry the weights, what is written to them, and how long it takes."""

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.api.dns import DnsEndpoint
from cutover.decide.route import RuleWeights
from cutover.decide.weights import inexpressible, restored, weights_at
from cutover.traffic.dnsendpoint import DnsEndpointLayout
from cutover.traffic.seen import see

Json = dict[str, Any]
NAME = "llm.example.com"


def wanted(**fields: Any) -> DnsEndpointLayout:
    document = {
        "name": "llm",
        "dnsName": NAME,
        "sourceSetIdentifier": "onprem",
        "targetSetIdentifier": "gke",
    }
    return DnsEndpointLayout(DnsEndpoint.model_validate({**document, **fields}))


def record(identifier: str, weight: int | str | None, kind: str = "CNAME", **fields: Any) -> Json:
    properties = [{"name": "aws/evaluate-target-health", "value": "true"}]
    if weight is not None:
        properties.append({"name": "aws/weight", "value": str(weight)})
    return {
        "dnsName": NAME,
        "recordType": kind,
        "recordTTL": 60,
        "setIdentifier": identifier,
        "targets": [f"{identifier}.example.net"],
        "providerSpecific": properties,
        **fields,
    }


def endpoint(*records: Json, generation: int = 1, observed: int | None = 1) -> Json:
    metadata = {
        "name": "llm",
        "namespace": "ns",
        "resourceVersion": "7",
        "generation": generation,
    }
    status = {} if observed is None else {"observedGeneration": observed}
    return {"metadata": metadata, "spec": {"endpoints": list(records)}, "status": status}


def written(document: Json, numbers: tuple[RuleWeights, ...], layout: DnsEndpointLayout) -> Json:
    places = {place.rule: place for place in layout.find(document).places}
    operations = [o for n in numbers for o in layout.numbers(places[n.rule], n)]
    tests = [
        {"op": "test", "path": path, "value": value}
        for place in places.values()
        for entry in (*place.sources, *place.targets)
        for path, value in entry.tests
    ]
    result: Json = jsonpatch.apply_patch(document, [*tests, *operations])
    return result


def values(document: Json) -> dict[str, str]:
    return {
        f"{one['recordType']} {one['setIdentifier']}": next(
            each["value"] for each in one["providerSpecific"] if each["name"] == "aws/weight"
        )
        for one in document["spec"]["endpoints"]
    }


def test_each_type_of_the_name_is_a_rule_and_other_names_are_none() -> None:
    document = endpoint(
        record("onprem", 255, "A"),
        record("other", 9, dnsName="other.example.com"),
        record("gke", 0, "AAAA"),
        record("third", 30, "AAAA"),
        record("gke", 0, "A", dnsName="LLM.example.com."),
        record("onprem", 70, "AAAA"),
    )
    seen = see(document, wanted())
    assert seen.problem is None
    assert seen.rules == (RuleWeights(0, 255, 0), RuleWeights(1, 70, 0, 30))
    assert see(document, wanted(recordType="AAAA")).rules == (RuleWeights(0, 70, 0, 30),)


def test_weights_are_written_as_text_and_nothing_else_is() -> None:
    layout = wanted()
    before = endpoint(record("gke", 0), record("onprem", 255))
    original = see(before, layout).rules
    during = written(before, weights_at(original, 1), layout)
    assert values(during) == {"CNAME gke": "1", "CNAME onprem": "99"}
    assert written(during, restored(see(during, layout).rules, original), layout) == before


@pytest.mark.parametrize(
    ("records", "reason", "words"),
    [
        pytest.param(
            [record("onprem", 1)],
            "BackendNotFound",
            "no rule of the route names setIdentifier gke: add a record of llm.example.com with it and"
            " aws/weight 0, or correct spec.traffic.dnsEndpoint.targetSetIdentifier",
            id="no-target",
        ),
        pytest.param(
            [record("onprem", 1), record("gke", 0), record("onprem", 1, "AAAA")],
            "RuleNotCovered",
            "the AAAA record of llm.example.com names setIdentifier onprem but not setIdentifier gke: add"
            " setIdentifier gke with weight 0, or name the type meant in spec.traffic.dnsEndpoint.recordType",
            id="one-type-without-target",
        ),
        pytest.param(
            [record("onprem", 1), record("gke", None)],
            "WeightUnreadable",
            "the CNAME record of llm.example.com with setIdentifier gke has no aws/weight: give each"
            " record of the name a number from 0 to 255",
            id="no-weight",
        ),
        pytest.param(
            [record("onprem", 1), record("gke", 0, providerSpecific=None)],
            "WeightUnreadable",
            "has no aws/weight",
            id="no-properties",
        ),
        pytest.param(
            [record("onprem", "much"), record("gke", 0)],
            "WeightUnreadable",
            "has the aws/weight 'much'",
            id="no-number",
        ),
        pytest.param(
            [record("onprem", 256), record("gke", 0)],
            "WeightUnreadable",
            "has the aws/weight '256'",
            id="more-than-route-53-takes",
        ),
        pytest.param(
            [record("onprem", 1), record("gke", 0), record("gke", 0)],
            "BackendRepeated",
            "names setIdentifier gke 2 times",
            id="twice",
        ),
    ],
)
def test_what_is_said_of_records_that_cannot_be_moved(
    records: list[Json], reason: str, words: str
) -> None:
    seen = see(endpoint(*records), wanted())
    assert seen.problem_reason == reason
    assert words in (seen.problem or "")


@pytest.mark.parametrize(
    ("ttls", "seconds"),
    [((60, 60), 120.0), ((None, None), 600.0), ((0, 30), 600.0), ((30, 300), 600.0), ((1, 1), 2.0)],
)
def test_a_change_is_delivered_after_twice_the_longest_ttl(
    ttls: tuple[int | None, int | None], seconds: float
) -> None:
    """external-dns gives a record without recordTTL, or with 0, the TTL of 300 seconds."""
    document = endpoint(record("onprem", 1, recordTTL=ttls[0]), record("gke", 0, recordTTL=ttls[1]))
    assert see(document, wanted()).delivery_seconds == seconds


@pytest.mark.parametrize(("observed", "accepted"), [(None, False), (1, False), (2, True)])
def test_it_is_accepted_once_external_dns_has_read_it(observed: int | None, accepted: bool) -> None:
    document = endpoint(record("onprem", 1), record("gke", 0), generation=2, observed=observed)
    seen = see(document, wanted())
    assert seen.accepted is accepted
    assert seen.acceptance == (
        "" if accepted else "external-dns has not read the newest change yet"
    )


def test_a_factor_beyond_255_is_not_advised() -> None:
    seen = see(endpoint(record("onprem", 60), record("gke", 0), record("c", 60)), wanted())
    said = inexpressible(seen.rules, [1], seen.whole, seen.largest)
    assert said is not None
    assert "change the rule's weights so that the two add up to 100" in said
    assert "multiply every weight of that rule by 5" in (inexpressible(seen.rules, [1]) or "")


small = st.integers(0, 255)


@given(source=small, target=small, other=st.none() | small, weight=st.integers(0, 100))
def test_never_are_all_zero_and_none_is_beyond_255(
    source: int, target: int, other: int | None, weight: int
) -> None:
    """All zero would be split evenly by Route 53: on the way there, on the way back, and whatever was found."""
    layout = wanted()
    records = [record("onprem", source), record("gke", target)]
    document = endpoint(*records, *([] if other is None else [record("c", other)]))
    seen = see(document, layout)
    steps = [restored(seen.rules, ()), restored(seen.rules, seen.rules)]
    if inexpressible(seen.rules, [weight], seen.whole, seen.largest) is None:
        steps.append(weights_at(seen.rules, weight))
    for numbers in steps:
        after = [int(one) for one in values(written(document, numbers, layout)).values()]
        assert any(after)
        assert all(0 <= one <= 255 for one in after)
