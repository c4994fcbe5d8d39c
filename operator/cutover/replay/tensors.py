"""How the protocols of tensors are spelled and read: Open Inference V2, and KServe's first."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from cutover.judge.golden import Answer, Served, Tensor, Tensors
from cutover.replay.spelling import Body, UnfitAnswer, UnfitRequest, name_of


class OpenInference:
    """The Open Inference Protocol V2: KServe, Triton, MLServer."""

    def path(self, model: str | None) -> str:
        """Where requests go."""
        return f"/v2/models/{model}/infer"

    def prepared(self, body: Body, label: Any) -> Body:  # noqa: ARG002 - others need it
        """Complete a request."""
        inputs = body.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            raise UnfitRequest("inputs is missing or empty")
        for one in inputs:
            if not isinstance(one, dict):
                raise UnfitRequest(
                    "each of inputs is an object with name, shape, datatype and data"
                )
            lacking = {"name", "shape", "datatype", "data"} - one.keys()
            if lacking:
                raise UnfitRequest(f"an input has no {min(lacking)}")
            shape = one["shape"]
            if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
                raise UnfitRequest("an input's shape is no list of sizes")
        return body

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart: outputs by name, whatever their order."""
        outputs = answer.get("outputs")
        if not isinstance(outputs, list) or not outputs:
            raise UnfitAnswer("outputs is missing or empty")
        try:
            found = {str(one["name"]): _tensor(one) for one in outputs}
        except (KeyError, TypeError, ValueError):
            raise UnfitAnswer("outputs is not as the protocol has it") from None
        names = Served(name_of(answer.get("model_name")), name_of(answer.get("model_version")))
        return Tensors(found, names)


def _tensor(output: Mapping[str, Any]) -> Tensor:
    datatype, data = str(output["datatype"]), output["data"]
    shape = tuple(int(size) for size in output["shape"])
    if datatype == "BYTES":
        words = tuple(str(one) for one in _flat(data))
        return Tensor(datatype, shape, None, words)
    numbers = np.asarray(data, dtype=np.float64).ravel()
    if numbers.size != int(np.prod(shape)):
        raise UnfitAnswer("an output has another number of values than its shape says")
    return Tensor(datatype, shape, numbers)


def _flat(data: Any) -> list[Any]:
    if isinstance(data, list):
        return [leaf for one in data for leaf in _flat(one)]
    return [data]


class KServe:
    """KServe's first protocol, also TensorFlow Serving's."""

    def path(self, model: str | None) -> str:
        """Where requests go."""
        return f"/v1/models/{model}:predict"

    def prepared(self, body: Body, label: Any) -> Body:  # noqa: ARG002 - others need it
        """Complete a request."""
        given = body.get("instances", body.get("inputs"))
        if not isinstance(given, list | dict) or not given:
            raise UnfitRequest("instances is missing or empty")
        return body

    def read(self, answer: Mapping[str, Any]) -> Answer:
        """Take an answer apart: predictions as one tensor, or one for each of their keys."""
        found = answer.get("predictions", answer.get("outputs"))
        if isinstance(found, Mapping):
            return Tensors({str(name): _loose(values) for name, values in found.items()})
        if not isinstance(found, list) or not found:
            raise UnfitAnswer("predictions is missing or empty")
        if all(isinstance(row, Mapping) for row in found):
            names = {str(name): None for row in found for name in row}
            return Tensors({name: _loose([row.get(name) for row in found]) for name in names})
        return Tensors({"predictions": _loose(found)})


def _loose(values: Any) -> Tensor:
    """A tensor of JSON values that say nothing of their type; whole numbers are labels or counts."""
    leaves = _flat(values)
    numeric = all(isinstance(one, int | float) and not isinstance(one, bool) for one in leaves)
    if not numeric:
        words = tuple(json.dumps(one, sort_keys=True) for one in leaves)
        return Tensor("BYTES", (len(words),), None, words)
    try:
        array = np.asarray(values, dtype=np.float64)
    except ValueError:  # rows of different lengths
        array = np.asarray(leaves, dtype=np.float64)
    if all(isinstance(one, int) for one in leaves):
        return Tensor("INT64", array.shape, array.ravel())
    shape = (array.size, 1) if array.ndim == 1 else array.shape
    return Tensor("FP32", shape, array.ravel())
