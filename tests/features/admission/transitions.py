"""One case for each rule that compares old with new: it starts from a stored object with a status."""

from tests.features.admission.case import Case
from tests.features.admission.rollouts import Json, at, spec
from tests.features.admission.route_cases import DNS_ENDPOINT, VIRTUAL_SERVICE

ROUTE = {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}}


def rolled_back(edit: Json) -> Json:
    return spec({"attempt": 3} | edit)


TRANSITIONS: list[Case] = [
    Case(
        "attempt raised before the rollback",
        "",
        "attempt can be raised only once status.phase is RolledBack: wait for the rollback",
        [spec({"attempt": 2})],
        [spec({"attempt": 1}), spec({"attempt": None})],
        "spec.attempt",
        stored={},
        status={"phase": "Progressing"},
    ),
    Case(
        "attempt falls",
        "spec",
        "attempt never falls: leave it, or raise it by one",
        [spec({"attempt": 2}), spec({"attempt": None})],
        [spec({"attempt": 3})],
        "spec.attempt",
        stored=rolled_back({}),
        status={"phase": "RolledBack"},
    ),
    Case(
        "attempt jumps",
        "spec",
        "attempt rises by one at a time",
        [spec({"attempt": 5})],
        [spec({"attempt": 4})],
        "spec.attempt",
        stored=rolled_back({}),
        status={"phase": "RolledBack"},
    ),
    Case(
        "attempt raised from nothing",
        "spec",
        "attempt rises by one at a time",
        [spec({"attempt": 3})],
        [spec({"attempt": 2})],
        "spec.attempt",
        stored={},
        status={"phase": "RolledBack"},
    ),
    Case(
        "new attempt under abort",
        "spec",
        "a new attempt cannot start while abort is set: remove abort in the same edit",
        [spec({"attempt": 4}), spec({"attempt": 4, "abort": True})],
        [spec({"attempt": 4, "abort": None}), spec({"attempt": 4, "abort": False})],
        "spec.abort",
        stored=rolled_back({"abort": True}),
        status={"phase": "RolledBack"},
    ),
    Case(
        "source moved under way",
        "",
        "source.cluster cannot change from Preflight to RollingBack: set abort: true",
        [
            at("spec.source.cluster.namespace", "elsewhere"),
            at("spec.source.cluster.kubeconfigSecretRef", {"name": "other"}),
        ],
        [spec({"abort": True, "source": {"cluster": {"namespace": "elsewhere"}}})],
        "spec.source.cluster",
        stored={},
        status={"phase": "Progressing"},
    ),
    Case(
        "target moved under way",
        "",
        "target.cluster cannot change from Preflight to RollingBack: set abort: true",
        [
            at("spec.target.cluster", None),
            at("spec.target.cluster.kubeconfigSecretRef", {"name": "other"}),
        ],
        [spec({"abort": True, "target": {"cluster": None}})],
        "spec.target.cluster",
        stored={},
        status={"phase": "Soaking"},
    ),
    Case(
        "route moved under way",
        "",
        "traffic cannot change from Preflight to RollingBack: set abort: true",
        [
            at("spec.traffic.cluster.namespace", "elsewhere"),
            at("spec.traffic.httpRoute.name", "other"),
            at("spec.traffic.httpRoute.targetBackend", {"name": "other"}),
            at("spec.traffic.httpRoute.rules", [0]),
            spec({"traffic": {"httpRoute": None, "grpcRoute": ROUTE}}),
            spec({"traffic": {"httpRoute": None, "virtualService": VIRTUAL_SERVICE}}),
            spec({"traffic": {"httpRoute": None, "dnsEndpoint": DNS_ENDPOINT}}),
        ],
        [
            at("spec.traffic.onOverride", "Pause"),
            at("spec.traffic.delivery.check", "Report"),
            spec({"abort": True, "traffic": {"httpRoute": {"name": "other"}}}),
        ],
        "spec.traffic",
        stored={},
        status={"phase": "RollingBack"},
    ),
    Case(
        "a stale leader writes",
        "status",
        "leaderEpoch never falls: a newer leader has written this status, so stop writing",
        [{"leaderEpoch": 6}, {"leaderEpoch": None}],
        [{"leaderEpoch": 7}, {"leaderEpoch": 8}, {"phase": "Soaking"}],
        "status.leaderEpoch",
        stored={},
        status={"phase": "Progressing", "leaderEpoch": 7},
        edits_status=True,
    ),
]
