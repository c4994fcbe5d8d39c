"""One case for each rule of holdout gates."""

from tests.features.admission.case import Case, duration_case, value_case
from tests.features.admission.golden_cases import ENDPOINTS, golden_set
from tests.features.admission.outputs_cases import outputs as golden_drift
from tests.features.admission.rollouts import Json, spec

RESULTS: Json = {"metric": "F1", "results": {"source": "eval-a", "target": "eval-b"}}


ASKED: Json = {"metric": "Accuracy", "dataset": {"configMapKeyRef": {"name": "golden"}}}
ASKED["protocol"] = "OpenAIChat"


def holdout(judged: Json, **more: str) -> Json:
    return spec({"gates": [{"name": "quality", "holdout": judged, **more}]})


def asked(**edit: object) -> Json:
    """Of both sides' model servers; None takes a field away."""
    judged = {key: value for key, value in {**ASKED, **edit}.items() if value is not None}
    return spec({**ENDPOINTS, "gates": [{"name": "quality", "holdout": judged}]})


def tensors(**edit: object) -> Json:
    return asked(protocol="OpenInferenceV2", **edit)


BINARY = {"metric": "F1", "average": "Binary", "positive": "spam"}
HERE = "spec.gates[].holdout"


HOLDOUT: list[Case] = [
    Case(
        "a holdout gate asks or reads",
        HERE,
        "set exactly one of them",
        [holdout({"metric": "MAE"}), asked(results=RESULTS["results"])],
        [asked(), holdout(RESULTS)],
    ),
    Case(
        "a dataset and its protocol",
        HERE,
        "set dataset and protocol together",
        [asked(protocol=None), holdout(RESULTS | {"protocol": "OpenAIChat"})],
        [asked(protocol="OpenAICompletions")],
    ),
    Case(
        "average without F1",
        HERE,
        "average is how classes become one F1",
        [asked(average="Macro"), holdout(RESULTS | {"average": "Macro"})],
        [asked(metric="F1", average="Weighted")],
        f"{HERE}.average",
    ),
    Case(
        "F1 without average",
        HERE,
        "F1 over a dataset needs average",
        [asked(metric="F1")],
        [asked(metric="F1", average="Micro"), holdout(RESULTS)],
        f"{HERE}.metric",
    ),
    Case(
        "positive where no label counts more than others",
        HERE,
        "positive is the label that counts",
        [
            asked(positive="spam"),
            asked(metric="F1", average="Macro", positive="spam"),
            asked(metric="F1", average="Binary"),
            tensors(metric="AUROC"),
            holdout(RESULTS | {"positive": "spam"}),
        ],
        [asked(**BINARY), tensors(metric="AUROC", positive="1")],
    ),
    Case(
        "an embedding as a prediction",
        HERE,
        "an embedding is no prediction",
        [asked(protocol="OpenAIEmbeddings")],
        [asked(protocol="KServeV1")],
        f"{HERE}.protocol",
    ),
    Case(
        "AUROC of text",
        HERE,
        "AUROC ranks by scores and this protocol gives text",
        [asked(metric="AUROC", positive="1")],
        [tensors(metric="AUROC", positive="1")],
        f"{HERE}.protocol",
    ),
    Case(
        "how to ask, and nobody is asked",
        HERE,
        "prediction, rate, concurrency and timeout say how both sides are asked",
        [
            holdout(RESULTS | {"prediction": {"after": "Answer:"}}),
            holdout(RESULTS | {"rate": 5}),
            holdout(RESULTS | {"concurrency": 5}),
            holdout(RESULTS | {"timeout": "10s"}),
        ],
        [asked(prediction={"after": "Answer:"}, rate=5, concurrency=5, timeout="10s")],
    ),
    duration_case(f"{HERE}.timeout", "1s", "10m", ["999ms", "601s"], lambda t: asked(timeout=t)),
    Case(
        "a holdout gate at each step",
        "spec.gates[]",
        "this gate is judged once, before any traffic",
        [holdout(RESULTS, run="EachStep"), golden_drift(run="EachStep")],
        [
            holdout(RESULTS),
            holdout(RESULTS, run="BeforeTraffic", onFail="Report"),
            golden_drift(onFail="Report"),
        ],
        "spec.gates[].run",
    ),
    value_case(
        "spec.gates[].holdout.maxDelta",
        "write a share of more than 0% and less than 100%",
        ["100%", "0%", "0.1"],
        ["0.1%", "99%"],
        lambda text: holdout(RESULTS | {"maxDelta": text}),
    ),
    duration_case(
        "spec.gates[].holdout.results.maxAge",
        "1m",
        "8760h",
        ["59s", "8761h"],
        lambda text: holdout(RESULTS | {"results": RESULTS["results"] | {"maxAge": text}}),
    ),
    *golden_set(f"{HERE}.dataset", lambda place: asked(dataset=place)),
]
