"""From the class that Spark names in a stage's metadata to the stage that scores it, and what is known of each.

A new stage is a class in one file of `stages/`, or in the user's own code:

    @spark_stage("com.example.Doubler", parameters={"inputCol": None, "outputCol": None})
    class Doubler(Stage): ...
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from skysail_container.spark.errors import StageError, UnsupportedStageError
from skysail_container.spark.stage import Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["EXACT", "StageKind", "known_stages", "load_stage", "spark_stage"]

EXACT = "exact"
"""Every bit is Spark's."""

_SPARKS_OWN = ("org.apache.spark.ml.", "pyspark.ml.")
_NOT_FINITE = ("NaN", "Infinity", "-Infinity", "Inf", "-Inf")
"""How numbers without digits are saved, where they are not decoded yet."""
_OWN_STAGE = "a stage of your own can be registered for this class"


@dataclass(frozen=True, slots=True)
class StageKind:
    """What is known of one class of Spark."""

    spark_class: str
    stage: type[Stage]
    parameters: Mapping[str, Any]
    """Those that shape scores, with their defaults; None: it has none."""
    training: frozenset[str]
    """Those of the estimator that a fitted model carries along."""
    since: str
    """The first version of Spark whose files are read."""
    exactness: str
    """`EXACT`, or how far outputs may be from Spark's and why."""


_kinds: dict[str, StageKind] = {}
_Class = TypeVar("_Class", bound=type[Stage])


def spark_stage(
    *spark_classes: str,
    parameters: Mapping[str, Any],
    training: tuple[str, ...] = (),
    since: str = "2.3",
    exactness: str = EXACT,
) -> Callable[[_Class], _Class]:
    """Register a stage under the full names of the classes that it scores, the current name first."""

    def register(stage: _Class) -> _Class:
        stage.spark_name = spark_classes[0].rpartition(".")[2]
        for name in spark_classes:
            _kinds[name] = StageKind(name, stage, dict(parameters), frozenset(training), since, exactness)
        return stage

    return register


@cache
def _import_families() -> None:
    families = import_module("skysail_container.spark.stages")
    for module in iter_modules(families.__path__):
        import_module(f"{families.__name__}.{module.name}")


def known_stages() -> Iterator[StageKind]:
    """All that can be scored, by the names of their classes."""
    _import_families()
    return iter(sorted(_kinds.values(), key=lambda kind: kind.spark_class))


def load_stage(folder: StageFolder) -> Stage:
    """The stage in a folder.

    :raises StageError: it is damaged.
    :raises UnsupportedStageError: its class, or a parameter that it sets, is not known here.
    """
    _import_families()
    name = folder.metadata.spark_class
    kind = _kinds.get(name)
    if kind is None:
        raise _refusal(folder, name)
    unknown = sorted(set(folder.metadata.params) - set(kind.parameters) - kind.training)
    if unknown:
        raise UnsupportedStageError(folder.uid, f"its parameter {unknown[0]} is not known here; {_OWN_STAGE}")
    if name.startswith(_SPARKS_OWN):
        _check_types(folder, kind)
    try:
        return kind.stage.from_spark(folder.with_defaults(kind.parameters))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, OSError) as error:
        raise folder.error(f"its data is not what {name} writes: {type(error).__name__}: {error}") from error
    except (MemoryError, RecursionError) as error:
        raise folder.error(f"it is too large or too deep to be what {name} writes") from error


def _check_types(folder: StageFolder, kind: StageKind) -> None:
    """Parameters are of their defaults' types, and columns have names.

    :raises StageError: one is of another type.
    """
    for params in (folder.metadata.defaults, folder.metadata.params):
        for name, value in params.items():
            if value is None or name not in kind.parameters:
                continue
            expected = _expected_type(name, value, kind.parameters[name])
            if expected is not None:
                raise folder.error(f"its parameter {name} is {str(value)[:80]!r}, and {expected} is expected")


def _expected_type(name: str, value: Any, default: Any) -> str | None:
    """None: the value is of it."""
    if name.endswith("Cols"):
        is_it = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return None if is_it else "a list of names"
    if name.endswith("Col") or isinstance(default, str):
        return None if isinstance(value, str) else "a text"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if is_number or value in _NOT_FINITE else "a number"
    if isinstance(default, list | tuple):
        return None if isinstance(value, list) else "a list"
    return None


def _refusal(folder: StageFolder, name: str) -> StageError:
    if name.startswith("org.apache.spark.mllib."):
        return StageError(
            folder.uid, f"{name} is of the old spark.mllib, whose models are no pipelines; save it as spark.ml"
        )
    if name.startswith("org.apache.spark.ml.") and not name.endswith("Model") and _kinds.get(f"{name}Model"):
        return StageError(
            folder.uid, f"{name} is an estimator that was never fitted; save the model that its fit() returns"
        )
    return UnsupportedStageError(folder.uid, f"{name} is not known here; {_OWN_STAGE}")
