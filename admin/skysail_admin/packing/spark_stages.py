"""The user's own stages of a Spark pipeline: the source of their Python classes, and of twins for the native scorer."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.archive import ArchiveEntry
from skysail_admin.packing.user_code import is_user_module

__all__ = ["TWINS_FILE", "stage_classes", "stage_sources", "twins_entry"]

TWINS_FILE = "stages.py"
"""Where a container looks for twins, which it imports before it loads the pipeline."""


def stage_classes(metadata: Iterable[bytes]) -> set[str]:
    """The full names of the classes that Spark wrote into the metadata of stages."""
    return {str(json.loads(content)["class"]) for content in metadata}


def stage_sources(classes: Iterable[str], *, has_twins: bool) -> list[ArchiveEntry]:
    """The files of the user's modules that define some of the classes, and of those that these use.

    PySpark imports a stage in Python by the name of its module, in the container as anywhere. Classes of the JVM, and
    of installed packages, have no file here.

    :param has_twins: a class that no container can import has perhaps a twin then.
    :raises InvalidRequestError: a class cannot be imported elsewhere.
    """
    modules: dict[str, ModuleType] = {}
    for name in sorted(classes):
        module_name, _, class_name = name.rpartition(".")
        module = sys.modules.get(module_name)
        if module is None or not hasattr(module, class_name):
            continue
        if module_name == "__main__":
            if not has_twins:
                raise InvalidRequestError(
                    f"the class of the stage {name} stands in the program or notebook itself, from where no container "
                    f"can import it: put it into a module (as {class_name.lower()}_stage.py) and import it from there, "
                    "or give its twin for the native scorer by stages",
                    field="model",
                )
        elif is_user_module(module):
            _add_used(module, modules)
    return [ArchiveEntry(name, path) for name, path in sorted(_files(modules.values()).items())]


def twins_entry(stages: Any) -> ArchiveEntry:
    """The file with twins under the name that containers look for.

    :raises InvalidRequestError: it is no Python file.
    """
    path = Path(os.fspath(stages)).expanduser() if isinstance(stages, str | os.PathLike) else None
    if path is None or path.suffix != ".py" or not path.is_file():
        raise InvalidRequestError(
            f"{stages!r} is no Python file: give the path of the module whose classes spark_stage registers",
            field="stages",
        )
    try:
        ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        raise InvalidRequestError(f"{path} is not Python: {error}", field="stages") from error
    return ArchiveEntry(TWINS_FILE, path)


def _add_used(module: ModuleType, found: dict[str, ModuleType]) -> None:
    """The module, and the user's modules of what it has under its names, one after the other."""
    if module.__name__ in found:
        return
    found[module.__name__] = module
    for value in list(vars(module).values()):
        used = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
        if used is not None and is_user_module(used):
            _add_used(used, found)


def _files(modules: Iterable[ModuleType]) -> dict[str, Path]:
    """Of each module its file; of one in a package all source of the package, which its `__init__` may import.

    :raises InvalidRequestError: one is called as the file with twins is.
    """
    files: dict[str, Path] = {}
    for module in modules:
        top = module.__name__.partition(".")[0]
        files.update(_sources(sys.modules.get(top, module), module))
    if TWINS_FILE in files:
        raise InvalidRequestError(
            f"the module {files[TWINS_FILE]} has the name of the file with twins for the native scorer: "
            "call it otherwise",
            field="model",
        )
    return files


def _sources(top: ModuleType, module: ModuleType) -> Iterator[tuple[str, Path]]:
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield f"{top.__name__}/{path.relative_to(folder).as_posix()}", path
    file = getattr(module, "__file__", None)
    if not folders and file is not None and file.endswith(".py"):
        yield f"{module.__name__}.py", Path(file)
