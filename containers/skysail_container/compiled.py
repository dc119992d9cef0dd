"""What of this package is compiled: the way of a batch through the container."""

from pathlib import Path

from skysail_container.compiled_form import CompiledForm

__all__ = ["FORM", "MODULES"]

MODULES = ("batch_execution", "batch_input", "batch_output", "connection", "inlet", "input_types", "outbox",
           "rows_memory", "server", "service_statistics", "work_queue", "worker", "wire/body_reader", "wire/decoding",
           "wire/dense_messages", "wire/encoding", "wire/frames", "wire/limits", "wire/messages", "wire/rows",
           "wire/rows_reader")  # fmt: skip
FORM = CompiledForm(Path(__file__).parent, MODULES)
