"""A tiny model for MLServer; runs in an environment of its own."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Tiny(MLModel):  # type: ignore[misc]
    """Adds up its rows; fails where a row is negative."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        if rows.min() < 0:
            raise RuntimeError("asked to fail")
        output = NumpyCodec.encode_output("sums", rows.sum(axis=1))
        return InferenceResponse(model_name=self.name, outputs=[output])
