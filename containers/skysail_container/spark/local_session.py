"""PySpark's local mode for this process: one session, started once, whose JVM ends with the process.

The JVM gets the read end of a pipe as its standard input and ends when the pipe does, so also when this process is
killed. It listens on the loopback interface only, to whoever knows its secret, and shows no web pages.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

from skysail_container.container_memory import container_memory
from skysail_container.endings import at_end
from skysail_container.errors import ModelLoadError
from skysail_container.exception_text import exception_text
from skysail_container.spark.java import find_java

__all__ = ["EXIT_JVM_ENDED", "driver_memory_mib", "local_session"]

EXIT_JVM_ENDED = 1
"""Of a container whose JVM ended: a new one serves sooner than one that fails on every row."""

_USUAL_MIB = 1024
_LEAST_MIB = 512
"""Spark does not start below 450 MiB: it sets 300 of them aside and wants half as much again."""
_SHARE = 0.5
"""Of the container's memory; the rest is for Python, and for what a JVM takes besides: code, stacks, buffers."""

_END_S = 5.0
_KEPT_LINES = 30

_log = logging.getLogger(__name__)


def local_session(threads: int = 1) -> Any:
    """The SparkSession of this process, started if there is none yet; which takes ten seconds or more.

    :param threads: how many tasks run at the same time.
    :raises ModelLoadError: PySpark or Java is missing, or does not start; the text says what to do.
    """
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"PySpark is needed and the module {error.name!r} is not installed in this container: "
            "pip install 'skysail-container[pyspark,java]'"
        ) from error
    return SparkSession.getActiveSession() or _started(threads)


def _started(threads: int) -> Any:
    from pyspark.conf import SparkConf
    from pyspark.core.context import SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    java = find_java()
    # Of the whole process: PySpark and the scripts that it starts read their settings from there, and nowhere else.
    os.environ.update(java.environment())
    os.environ.update({"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable})
    logging.getLogger("py4j").setLevel(logging.WARNING)  # else it tells of every connection that it closes
    started_s = time.monotonic()
    memory_mib = driver_memory_mib(container_memory.limit_mib())
    folder = Path(tempfile.mkdtemp(prefix="skysail-spark-"))
    settings = SparkConf().setAll(list(_settings(threads, memory_mib, folder).items()))
    output = _Output()
    jvm = None
    try:
        try:
            gateway = launch_gateway(settings, {"stdout": output.descriptor, "stderr": output.descriptor})
        finally:
            os.close(output.descriptor)
        jvm = _Jvm(gateway.proc, folder, output)
        session = SparkSession(SparkContext(conf=settings, gateway=gateway))
        _delete_with_jvm(gateway.jvm, folder)
    except Exception as error:
        if jvm is not None:
            jvm.end()
        shutil.rmtree(folder, ignore_errors=True)
        raise ModelLoadError(
            f"PySpark does not start with the Java in {java.home}: {exception_text(error)}; {output.last_words()}"
        ) from error
    jvm.guard()
    _log.info(
        "PySpark %s on Java %s with %d MiB started in %.1f s as process %d",
        session.version,
        java.version or "of unknown version",
        memory_mib,
        time.monotonic() - started_s,
        gateway.proc.pid,
    )
    return session


def driver_memory_mib(limit_mib: int | None) -> int:
    """What the JVM may take for Spark's objects in a container with this limit; None: it has none."""
    return _USUAL_MIB if limit_mib is None else max(_LEAST_MIB, int(limit_mib * _SHARE))


def _delete_with_jvm(virtual_machine: Any, folder: Path) -> None:
    """The JVM deletes it when it ends, for it outlives a container that is killed."""
    hooks = virtual_machine.org.apache.spark.util.ShutdownHookManager
    hooks.registerShutdownDeleteDir(virtual_machine.java.io.File(str(folder)))


def _settings(threads: int, memory_mib: int, folder: Path) -> Mapping[str, str]:
    """Small, quiet, and on this machine only; what is kept for web pages is kept short."""
    loopback, few = "127.0.0.1", "10"
    return {
        "spark.app.name": "skysail",
        "spark.master": f"local[{threads}]",
        "spark.driver.memory": f"{memory_mib}m",
        "spark.driver.extraJavaOptions": f"-XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Djava.io.tmpdir={folder}",
        "spark.driver.bindAddress": loopback,
        "spark.driver.host": loopback,
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.default.parallelism": "1",
        "spark.sql.shuffle.partitions": "1",
        # Generated code pays for tables; for a few rows compiling it takes longer than they do.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        **dict.fromkeys(
            (
                "spark.ui.retainedJobs",
                "spark.ui.retainedStages",
                "spark.ui.retainedTasks",
                "spark.sql.ui.retainedExecutions",
            ),
            few,
        ),
    }


class _Output:
    """What the JVM and Python's workers under it write: the last lines are kept, and logged once it is up."""

    def __init__(self) -> None:
        self.is_logged = False
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        reading, self.descriptor = os.pipe()
        Thread(target=self._relay, args=(reading,), name="spark-output", daemon=True).start()

    def last_words(self) -> str:
        return f"its last words: {' | '.join(self._lines)}" if self._lines else "it said nothing"

    def _relay(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._lines.append(line.rstrip())
                if self.is_logged:
                    _log.info("Spark: %s", line.rstrip())


class _Jvm:
    """The JVM's process: ended with this one, and this one with it."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, output: _Output) -> None:
        self._process = process
        self._folder = folder
        self._output = output
        self._is_ending = False

    def guard(self) -> None:
        """From now on its end is the end of this process."""
        self._output.is_logged = True
        at_end(self.end)
        Thread(target=self._watch, name="spark-end", daemon=True).start()

    def end(self) -> None:
        """Lets it end in order, which takes less than a second, or kills it."""
        self._is_ending = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self) -> None:
        status = self._process.wait()
        if self._is_ending:
            return
        _log.critical(
            "the JVM of PySpark ended with exit status %d, and so does the container; %s",
            status,
            self._output.last_words(),
        )
        shutil.rmtree(self._folder, ignore_errors=True)
        logging.shutdown()
        os._exit(EXIT_JVM_ENDED)
