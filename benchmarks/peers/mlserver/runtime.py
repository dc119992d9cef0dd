"""The model as MLServer calls it, behind its adaptive batching, in the V2 inference protocol."""
# mypy: disable-error-code="import-not-found, misc"
# The framework is installed in the peer's own environment only.

from __future__ import annotations

import numpy as np
from benchmarks.peers.model import Predict, load_model
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

__all__ = ["Runtime"]


class Runtime(MLModel):
    """MLServer puts the rows of several requests into one."""

    async def load(self) -> bool:
        self._model: Predict = load_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = np.array(self._model(rows), dtype=np.float64)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", output)])
