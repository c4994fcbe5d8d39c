"""One case for each rule of drift gates over golden outputs."""

from tests.features.admission.case import Case, duration_case
from tests.features.admission.golden_cases import ENDPOINTS, golden_set
from tests.features.admission.rollouts import Json, spec

ASKED: Json = {
    "dataset": {"configMapKeyRef": {"name": "golden"}},
    "protocol": "OpenAIChat",
    "output": "Length",
}


def outputs(edit: Json | None = None, method: str = "PSI", **around: str) -> Json:
    judged = {"golden": ASKED | (edit or {}), "method": method, "max": "0.2"}
    return spec({**ENDPOINTS, "gates": [{"name": "outputs", "drift": judged, **around}]})


def tensors(output: str = "Score", method: str = "KS") -> Json:
    return outputs({"protocol": "KServeV1", "output": output}, method)


DRIFT = "spec.gates[].drift"
HERE = f"{DRIFT}.golden"


OUTPUTS: list[Case] = [
    Case(
        "labels by a method that needs an order",
        DRIFT,
        "labels have no order, so KS and Wasserstein cannot compare them",
        [outputs({"output": "Label"}, "KS"), tensors("Label", "Wasserstein")],
        [outputs({"output": "Label"}, "TV"), tensors(), outputs(method="Wasserstein")],
        f"{DRIFT}.method",
    ),
    Case(
        "an output that the protocol's answers do not hold",
        HERE,
        "this output is not in answers of the protocol",
        [
            tensors("Length"),
            outputs({"output": "Score"}),
            outputs({"protocol": "OpenAIEmbeddings"}),
            outputs({"protocol": "OpenAIEmbeddings", "output": "Label"}),
        ],
        [
            outputs({"protocol": "OpenAICompletions"}),
            tensors("Label", "ChiSquare"),
            outputs({"protocol": "OpenInferenceV2", "output": "Score"}),
        ],
        f"{HERE}.output",
    ),
    Case(
        "a prediction in a length",
        HERE,
        "a length is that of the whole text",
        [outputs({"prediction": {"after": "Answer:"}})],
        [outputs({"output": "Label", "prediction": {"after": "Answer:"}})],
        f"{HERE}.prediction",
    ),
    duration_case(
        f"{HERE}.timeout", "1s", "10m", ["999ms", "601s"], lambda text: outputs({"timeout": text})
    ),
    *golden_set(f"{HERE}.dataset", lambda place: outputs({"dataset": place})),
]
