"""What of this package is compiled: the way of a query through the frontend."""

from pathlib import Path

from skysail_container.compiled_form import CompiledForm

__all__ = ["FORM", "MODULES"]

MODULES = ("admission", "application", "batch", "batch_policies", "batch_queue", "batch_sizer",
           "catalog", "checked_input", "dispatcher", "hedge_budget", "http_response", "input_type",
           "metrics", "output", "payload_key", "plain_row", "poison", "predict_request",
           "prediction_cache", "prediction_recorder", "query", "replica_health", "replica_state",
           "request_order", "scheduler", "served_version", "sliding_minimum")  # fmt: skip
"""What a query passes on its way. Not the protocol classes: a compiled class cannot derive from uvicorn's."""
FORM = CompiledForm(Path(__file__).parent, MODULES, extensions=("row_reader",))
"""`row_reader` reads plain rows of numbers (plain_row.py)."""
