"""A pipeline made with PySpark, and the rows that show how Spark scores it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

__all__ = ["Case", "CaseMaker", "makers", "spark_case"]


@dataclass(frozen=True)
class Case:
    """What the fixture is made of."""

    model: Any
    """A fitted model of pyspark.ml, as a rule a PipelineModel."""
    schema: Mapping[str, str]
    """Columns of the rows by Spark's names of types; `vector` for vectors."""
    rows: Sequence[Mapping[str, Any]]
    """Values as `spark.createDataFrame` takes them, every column in each row."""
    rtol: float = 0.0
    """How far doubles may be from Spark's, relative to them; 0: not a bit."""
    atol: float = 0.0
    unordered: Sequence[str] = ()
    """Columns of arrays whose order Spark leaves open."""
    spark_version: str | None = None
    """Which one is to have saved the model, where older ones score otherwise; None: the one at hand."""
    conf: Mapping[str, str] = field(default_factory=dict)
    """Settings of the session in which Spark scores the rows: those that older versions had."""


@dataclass(frozen=True)
class CaseMaker:
    name: str
    family: str
    make: Callable[[Any], Case]


_makers: dict[str, CaseMaker] = {}


def spark_case(make: Callable[[Any], Case]) -> Callable[[Any], Case]:
    """Register a function of a SparkSession under its own name."""
    maker = CaseMaker(make.__name__, make.__module__.rpartition(".")[2], make)
    assert maker.name not in _makers, f"two cases are called {maker.name}"
    _makers[maker.name] = maker
    return make


def makers(families: Sequence[str] = ()) -> Iterator[CaseMaker]:
    """All makers in the modules of `cases/`, or those of some families."""
    for module in iter_modules([str(Path(__file__).parent / "cases")]):
        if not families or module.name in families:
            import_module(f"spark.cases.{module.name}")
    return iter([maker for maker in _makers.values() if not families or maker.family in families])
