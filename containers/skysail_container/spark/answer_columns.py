"""Which columns of a scored row are the answer, and the row as an answer."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skysail_container.spark.errors import StageError
from skysail_container.spark.registry import known_stages
from skysail_container.spark.schema import VECTOR, Column
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["Answers", "answer_columns", "leaf_folders"]

_PREDICTED = ("predictionCol", "probabilityCol")
_OUTPUTS = ("outputCol", "outputCols", "topicDistributionCol")
_TUNED = frozenset({"CrossValidatorModel", "TrainValidationSplitModel"})


class Answers:
    """Scored rows as what a query gets: a sole column's value, an object of several."""

    def __init__(self, names: Sequence[str], schema: Mapping[str, Column]) -> None:
        """
        :raises ValueError: there is no such column; the text says which there are.
        """
        for name in names:
            if name not in schema:
                raise ValueError(f"{name!r} is not one of the pipeline's columns: {', '.join(schema)}")
        self.names = tuple(names)
        self._columns = [(name, _plainly(schema[name].type)) for name in names]

    def of(self, row: Mapping[str, Any]) -> Any:
        """The answer of a scored row: vectors are lists, whatever form they have."""
        if len(self._columns) == 1:
            name, plain = self._columns[0]
            return row[name] if plain is None else plain(row[name])
        return {name: row[name] if plain is None else plain(row[name]) for name, plain in self._columns}


def _plainly(column_type: str) -> Callable[[Any], Any] | None:
    """How values of a type become what JSON has: vectors lists, decimals numbers; None: they are that already."""
    if column_type == VECTOR:
        return lambda vector: None if vector is None else vector.to_list()
    if column_type.startswith("decimal"):
        return lambda decimal: None if decimal is None else float(decimal)
    if column_type.startswith("array<") and (element := _plainly(column_type[len("array<") : -1])):
        return lambda values: None if values is None else [element(one) for one in values]
    return None


def answer_columns(path: Path, given: Collection[str], scored: Mapping[str, Column]) -> tuple[str, ...]:
    """The columns to answer with when nobody chose any.

    Prediction and probability of the last stage that predicts, whatever they are called, and what stages after it add,
    as IndexToString does. Where no stage predicts, what the last one adds.

    :param path: of the saved pipeline.
    :param given: the columns that go in; `scored`: those that come out.
    """
    added = [name for name in scored if name not in given]
    leaves = leaf_folders(path)
    for leaf in reversed(leaves):
        predicted = [name for name in _columns(leaf, _PREDICTED) if name in added]
        if predicted:
            first_later = max(added.index(name) for name in predicted) + 1
            named = {**leaf.metadata.params, **leaf.metadata.defaults}
            own = _columns(leaf, [name for name in named if name.endswith("Col")])
            return (*predicted, *(name for name in added[first_later:] if name not in own))
    for parameters in (_OUTPUTS, ("featuresCol",)):
        found = [name for leaf in leaves[-1:] for name in _columns(leaf, parameters) if name in added]
        if found:
            return tuple(found)
    return tuple([name for name in ("prediction", "probability") if name in added] or added or scored)


def leaf_folders(path: Path) -> list[StageFolder]:
    """The stages that score, in their order, of a pipeline however deeply nested; none of what is no saved stage."""
    try:
        return list(_leaves(StageFolder(path)))
    except StageError:
        return []


def _leaves(folder: StageFolder) -> Iterator[StageFolder]:
    name = folder.metadata.spark_class.rpartition(".")[2]
    if name == "PipelineModel":
        uids = folder.required("stageUids")
        digits = len(str(len(uids)))
        for number, uid in enumerate(uids):
            yield from _leaves(folder.child(f"stages/{number:0{digits}}_{uid}"))
    elif name in _TUNED:
        yield from _leaves(folder.child("bestModel"))
    else:
        defaults = {kind.spark_class: kind.parameters for kind in known_stages()}
        yield folder.with_defaults(defaults.get(folder.metadata.spark_class, {}))


def _columns(leaf: StageFolder, parameters: Collection[str]) -> list[str]:
    """The columns that these parameters of a stage name."""
    values = [leaf.param(name) for name in parameters]
    return [name for value in values for name in (value if isinstance(value, list) else [value]) if name]
