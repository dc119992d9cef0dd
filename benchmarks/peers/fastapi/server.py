"""What most people write first: a FastAPI route with pydantic models that calls the model in the handler.

`async def`, so that no thread is needed per request, and a typed return value, which pydantic encodes in compiled code.
Nothing is batched: a route that batches is a prediction server.
"""

from __future__ import annotations

from itertools import count

import uvicorn
from benchmarks.peers.assignment import SUM, model_file, port
from benchmarks.peers.model import load_model
from fastapi import FastAPI
from pydantic import BaseModel

__all__ = ["app"]


class Query(BaseModel):
    """One row, as Skysail's predict route takes it."""

    input: list[float]


class Prediction(BaseModel):
    """One answer, as Skysail's predict route gives it."""

    query_id: int
    output: float
    default: bool


app = FastAPI()
predict = load_model()
query_ids = count(1)
is_sum = model_file() == SUM


@app.post("/predict")
async def predict_route(query: Query) -> Prediction:
    """Python's own sum is quicker for one row than a NumPy array would be."""
    output = sum(query.input) if is_sum else predict([query.input])[0]
    return Prediction(query_id=next(query_ids), output=output, default=False)


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=port(), http="httptools", loop="uvloop", access_log=False, log_level="warning"
    )
