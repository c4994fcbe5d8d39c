"""Rules of gates that replay golden inputs, and of where these are kept."""

from collections.abc import Callable
from typing import Any

from tests.features.admission.case import Case, duration_case, value_case
from tests.features.admission.rollouts import Json, spec

ENDPOINTS: Json = {
    "source": {"endpoint": {"url": "http://m:8000"}},
    "target": {"endpoint": {"url": "https://m.example"}},
}
SHA256 = "0" * 64
PARITY: Json = {"dataset": {"configMapKeyRef": {"name": "golden"}}, "protocol": "OpenAIChat"}


GOLDEN_DRIFT: Json = {
    "name": "lengths",
    "drift": {"golden": PARITY | {"output": "Length"}, "method": "PSI", "max": "0.2"},
}


def parity(edit: Json | None = None, **around: Any) -> Json:
    gate = {"name": "golden", "parity": PARITY | (edit or {})}
    return spec({**ENDPOINTS, "gates": [gate], **around})


def dataset(place: Json) -> Json:
    return parity({"dataset": place})


def golden_set(here: str, dataset: Callable[[Json], Json] = dataset) -> list[Case]:
    by_url = {"url": "https://evals.example/golden.jsonl", "sha256": SHA256}
    return [
        Case(
            f"{here}: one place",
            here,
            "a golden set is in one place: set exactly one of configMapKeyRef, secretKeyRef and url",
            [dataset({}), dataset(by_url | {"secretKeyRef": {"name": "golden"}})],
            [dataset(by_url), dataset({"secretKeyRef": {"name": "golden", "key": "a"}})],
        ),
        Case(
            f"{here}: a url and its hash",
            here,
            "a golden set behind a url is read only if it is the one that was meant",
            [
                dataset({"url": by_url["url"]}),
                dataset({"configMapKeyRef": {"name": "golden"}, "sha256": SHA256}),
            ],
            [dataset(by_url | {"url": "s3://evals/golden.jsonl"})],
        ),
        value_case(
            f"{here}.url",
            "http:// can be read on the way: use https://, or an address inside the cluster",
            ["http://evals.example/a", "http://10.1.2.3/a", "http://evals.svc.evil.example/a"],
            ["http://evals/a", "http://evals.inference.svc:8080/a", "http://127.0.0.1:80/a"],
            lambda url: dataset({"url": url, "sha256": SHA256}),
        ),
    ]


def shares(field: str) -> Callable[[str], Json]:
    return lambda value: parity({field: value})


HERE = "spec.gates[].parity"
GOLDEN: list[Case] = [
    Case(
        "golden inputs need both model servers",
        "spec",
        "golden inputs are sent to both sides' model servers: name them in source.endpoint",
        [
            parity(source={}),
            parity(target={}),
            spec({"gates": [GOLDEN_DRIFT]}),
        ],
        [parity(), parity(source={}, abort=True)],
        "spec.gates",
    ),
    Case(
        "a comparison fits its protocol",
        HERE,
        "this comparison does not fit the protocol: Greedy or Exact for OpenAIChat",
        [
            parity({"compare": "Numeric"}),
            parity({"protocol": "OpenAIEmbeddings", "compare": "Greedy"}),
            parity({"protocol": "KServeV1", "compare": "TeacherForced"}),
        ],
        [
            parity({"compare": "Exact"}),
            parity({"protocol": "OpenAICompletions", "compare": "TeacherForced"}),
            parity({"protocol": "OpenAIEmbeddings", "compare": "Cosine"}),
            parity({"protocol": "OpenInferenceV2", "compare": "Label"}),
        ],
        f"{HERE}.compare",
    ),
    Case(
        "numbers of coarse precision",
        HERE,
        "numbers computed in FP8 or INT8 are too coarse to compare: set compare: Label",
        [parity({"protocol": "KServeV1", "compare": "Numeric", "precision": "INT8"})],
        [
            parity({"protocol": "KServeV1", "compare": "Label", "precision": "INT8"}),
            parity({"protocol": "KServeV1", "compare": "Numeric", "precision": "BF16"}),
            parity({"protocol": "KServeV1", "precision": "FP8"}),
        ],
        f"{HERE}.compare",
    ),
    *(
        value_case(
            f"{HERE}.{field}",
            "write a share of more than 0% and less than 100%",
            ["0%", "100%"],
            ["0.1%", "50%"],
            shares(field),
        )
        for field in ("maxMismatch", "repeat")
    ),
    duration_case(
        f"{HERE}.timeout", "1s", "10m", ["999ms", "11m"], lambda text: parity({"timeout": text})
    ),
    *golden_set(f"{HERE}.dataset"),
]
