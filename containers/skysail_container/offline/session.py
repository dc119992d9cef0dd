"""The Spark session of a job, and what Spark's own errors come down to."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from skysail_container.errors import OfflineJobError
from skysail_container.offline.settings import JobSettings
from skysail_container.spark.java import JavaMissingError, find_java

__all__ = ["check_environment", "first_line", "spark_session"]

_PLAIN = {
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.speculation": "false",
}
"""Two attempts at one task would only do the same twice."""

_LOCAL = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def check_environment() -> None:
    """
    :raises OfflineJobError: PySpark, or what it needs beside it, is not installed for this Python.
    """
    for module in ("pyspark", "pyarrow", "pandas"):
        spec = find_spec(module)
        if spec is None or spec.origin is None:  # a folder of that name on the path is no package
            raise OfflineJobError(
                "environment",
                f"{module} is not installed in {sys.executable}: pip install 'skysail-container[pyspark,dataframe]', "
                "or name a Python that has it by --python",
            )


@contextmanager
def spark_session(settings: JobSettings) -> Iterator[Any]:
    """A session that ends with the block.

    :raises OfflineJobError: Spark does not start.
    """
    from pyspark.sql import SparkSession

    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    master = settings.master or (None if is_submitted else "local[*]")
    if not is_submitted:
        _find_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(f"skysail {settings.name}")
    local = _LOCAL if (master or "").startswith("local") else {}
    given = {text.partition("=")[0]: text.partition("=")[2] for text in settings.conf}
    for key, value in (_PLAIN | local | given).items():
        builder = builder.config(key, value)
    try:
        session = (builder if master is None else builder.master(master)).getOrCreate()
    except Exception as error:  # whatever py4j makes of it
        raise OfflineJobError("environment", f"Spark does not start: {first_line(error)}") from error
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


def _find_java() -> None:
    """Lets PySpark start the Java that there is.

    :raises OfflineJobError: there is none.
    """
    try:
        os.environ.update(find_java().environment())
    except JavaMissingError as error:
        raise OfflineJobError("environment", str(error)) from error


def first_line(error: BaseException) -> str:
    """What Spark says, without its stacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
