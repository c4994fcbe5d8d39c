"""A KServe model server of one tiny model, on loopback alone: `python kserve_tiny.py --http_port=8080`.

Runs in an environment of its own. KServe listens on every address and says so nowhere in its options;
whoever tries a server out should not have it reachable from elsewhere.
"""

from typing import Any

import uvicorn
from kserve import Model, ModelServer

_configure = uvicorn.Config.__init__


def _on_loopback(self: uvicorn.Config, *arguments: Any, **named: Any) -> None:
    _configure(self, *arguments, **named | {"host": "127.0.0.1"})


class Tiny(Model):  # type: ignore[misc]
    """Adds up its instances; fails where it is asked to."""

    def __init__(self) -> None:
        super().__init__("tiny")
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: Any = None) -> dict[str, Any]:
        del headers
        if payload["instances"] == [["fail"]]:
            raise RuntimeError("asked to fail")
        return {"predictions": [sum(row) for row in payload["instances"]]}


if __name__ == "__main__":
    uvicorn.Config.__init__ = _on_loopback
    ModelServer(enable_grpc=False).start([Tiny()])
