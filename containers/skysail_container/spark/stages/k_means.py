"""The nearest of some centres: k-means, and its bisecting form, which walks down a tree of centres."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, Final, Literal, Self

import numpy as np

from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.batch import Batch, Floats, Ints, together
from skysail_container.spark.feature_values import ReadFeatures, bound_features
from skysail_container.spark.products import SUMS_IN_ORDER
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import INT, Column, Schema
from skysail_container.spark.stage import Bound, Row, Stage
from skysail_container.spark.stage_folder import StageFolder
from skysail_container.spark.vectors import DenseVector, SparseVector, Vector, vector_of

__all__ = ["BisectingKMeansModel", "BisectingNode", "Centre", "KMeansModel"]

Measure = Literal["euclidean", "cosine"]

_EPSILON: Final = 2.0**-52
_PRECISION: Final = 1e-6
_MANY_CENTRES: Final = 1000
"""From so many on Spark compares the distances of all of them."""


@dataclass(frozen=True, slots=True)
class Centre:
    """A centre and its length, as Spark keeps them. Source: org.apache.spark.mllib.clustering.VectorWithNorm."""

    values: tuple[float, ...]
    norm: float

    @classmethod
    def of(cls, vector: Vector) -> Self:
        return cls(tuple(vector.to_list()), _norm(vector))


Distance = Callable[[Centre, Vector, float], float]
"""The distance of a centre to a point of this length, in whatever unit orders them as Spark does."""


@spark_stage(
    "org.apache.spark.ml.clustering.KMeansModel",
    parameters={"featuresCol": "features", "predictionCol": "prediction", "distanceMeasure": "euclidean"},
    training=("k", "initMode", "initSteps", "maxIter", "tol", "seed", "weightCol", "solver", "maxBlockSizeInMB"),
)
@dataclass(frozen=True)
class KMeansModel(Stage):
    """Source: org.apache.spark.ml.clustering.KMeansModel, org.apache.spark.mllib.clustering.DistanceMeasure."""

    uid: str
    features_column: str
    prediction_column: str
    measure: Measure
    centres: tuple[Centre, ...]

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        rows = sorted(folder.rows(), key=lambda row: int(row["clusterIdx"]))
        return cls(
            folder.uid,
            folder.required("featuresCol"),
            folder.required("predictionCol"),
            _measure(folder, folder.required("distanceMeasure")),
            _equally_long(folder, tuple(Centre.of(vector_of(row["clusterCenter"])) for row in rows)),
        )

    def bind(self, schema: Schema) -> Bound:
        columns = (self.features_column, self.prediction_column)
        nearest = _nearest(self.centres, self.measure)
        bound = _bound(self, schema, columns, self.centres[0], nearest, self.measure, len(self.centres))
        if self.measure != "euclidean" or len(self.centres) >= _MANY_CENTRES or not SUMS_IN_ORDER:
            return bound
        return bound._replace(score_rows=together(bound.score, self._score_batch()))

    def _score_batch(self) -> Callable[[Batch], bool]:
        source, target, nearest = self.features_column, self.prediction_column, _nearest_of_rows(self.centres)

        def score_batch(batch: Batch) -> bool:
            points = batch.dense(source)
            found = None if points is None else nearest(points)
            if found is None:
                return False
            for row, index in zip(batch, found.tolist(), strict=True):
                row[target] = index
            return True

        return score_batch


def _nearest(centres: Sequence[Centre], measure: Measure) -> Callable[[Vector, float], int]:
    """The number of the nearest centre, found as Spark finds it, which tells when distances are (nearly) equal.

    Source: org.apache.spark.mllib.clustering.DistanceMeasure.findClosest.
    """
    distance = _DISTANCES[measure]
    is_euclidean = measure == "euclidean"
    first, others = centres[0], tuple(enumerate(centres))[1:]
    bounds = _bounds(centres, measure) if len(centres) < _MANY_CENTRES else None

    def nearest(point: Vector, norm: float) -> int:
        best, best_distance = 0, distance(first, point, norm)
        if bounds is not None and best_distance < bounds[0][0]:
            return 0
        for index, centre in others:
            difference = centre.norm - norm
            if is_euclidean and not difference * difference < best_distance:
                continue
            if bounds is not None and not bounds[index][best] < best_distance:
                continue
            found = distance(centre, point, norm)
            if bounds is not None and found < bounds[index][index]:
                return index
            if found < best_distance:
                best, best_distance = index, found
        return best

    return nearest if bounds is None or not is_euclidean else _nearest_to_dense(centres, bounds, nearest)


def _nearest_to_dense(
    centres: Sequence[Centre], bounds: Sequence[Sequence[float]], of_sparse: Callable[[Vector, float], int]
) -> Callable[[Vector, float], int]:
    """The same, by Euclid, for what most clusterings get: in one piece, which saves a quarter of the time."""
    first = centres[0].values
    others = [
        (index, centre.values, centre.norm, bounds[index], bounds[index][index])
        for index, centre in enumerate(centres)
        if index
    ]

    def nearest(point: Vector, norm: float) -> int:
        if isinstance(point, SparseVector):
            return of_sparse(point, norm)
        numbers = point.values
        best, best_distance = 0, _squared_distance(first, numbers)
        if best_distance < bounds[0][0]:
            return 0
        for index, values, length, to_others, surely in others:
            difference = length - norm
            if not difference * difference < best_distance or not to_others[best] < best_distance:
                continue
            squared = 0.0
            for one, other in zip(values, numbers, strict=True):
                apart = one - other
                squared += apart * apart
            if squared < surely:
                return index
            if squared < best_distance:
                best, best_distance = index, squared
        return best

    return nearest


def _nearest_of_rows(centres: Sequence[Centre]) -> Callable[[Floats], Ints | None]:
    """The same for many dense points (n_rows, size), all at a time; None if one of them cannot be scored so.

    A point whose centre is sure stays with it; what the loop over centres would pass by is passed by here as well.
    """
    bounds = np.array(_bounds(centres, "euclidean"))
    values = [np.array(centre.values) for centre in centres]

    def nearest(points: Floats) -> Ints | None:
        if points.shape[1] != len(values[0]):
            return None
        norms = np.sqrt(_sums_of_squares(points))
        if np.isnan(norms).any():
            return None
        best, distances = np.zeros(len(points), np.int64), _sums_of_squares(points - values[0])
        is_sure = distances < bounds[0, 0]
        for index in range(1, len(centres)):
            differences = centres[index].norm - norms
            looked_at = ~is_sure & (differences * differences < distances) & (bounds[index][best] < distances)
            found = _sums_of_squares(points - values[index])
            surely = looked_at & (found < bounds[index, index])
            taken = surely | (looked_at & (found < distances))
            best[taken], distances[taken] = index, found[taken]
            is_sure |= surely
        return best

    return nearest


def _sums_of_squares(rows: Floats) -> Floats:
    """(n_rows,): one square after another, as a loop adds them."""
    sums = np.zeros(len(rows))
    for column in rows.T:
        sums += column * column
    return sums


def _bounds(centres: Sequence[Centre], measure: Measure) -> list[list[float]]:
    """(k, k): who is nearer to one centre than this is farther from the other; on the diagonal from all others.

    Source: org.apache.spark.mllib.clustering.DistanceMeasure.computeStatistics.
    """
    distance = _DISTANCES[measure]
    k = len(centres)
    bounds = [[math.inf] * k for _ in range(k)]
    if k == 1:
        return [[math.nan]]
    for i in range(k):
        for j in range(i + 1, k):
            apart = distance(centres[i], DenseVector(list(centres[j].values)), centres[j].norm)
            if measure == "euclidean":
                apart = math.sqrt(apart)
                bound = 0.25 * apart * apart
            else:
                bound = 1.0 - math.sqrt(max(1.0 - apart / 2.0, 0.0))
            bounds[i][j] = bounds[j][i] = bound
            bounds[i][i] = min(bounds[i][i], bound)
            bounds[j][j] = min(bounds[j][j], bound)
    return bounds


@dataclass(frozen=True, slots=True)
class BisectingNode:
    """A node of the tree of centres."""

    centre: Centre
    index: int
    """Of a leaf: what it predicts."""
    children: tuple["BisectingNode", ...] = ()


@spark_stage(
    "org.apache.spark.ml.clustering.BisectingKMeansModel",
    parameters={"featuresCol": "features", "predictionCol": "prediction"},
    training=("k", "maxIter", "seed", "minDivisibleClusterSize", "distanceMeasure", "weightCol"),
)
@dataclass(frozen=True)
class BisectingKMeansModel(Stage):
    """Source: org.apache.spark.mllib.clustering.{BisectingKMeansModel, ClusteringTreeNode}."""

    uid: str
    features_column: str
    prediction_column: str
    measure: Measure
    root: BisectingNode
    n_clusters: int

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        about = folder.mllib_metadata("data")
        nodes = {int(row["index"]): row for row in folder.rows("data/data")}
        return cls(
            folder.uid,
            folder.required("featuresCol"),
            folder.required("predictionCol"),
            _measure(folder, about.get("distanceMeasure", "euclidean")),
            _tree(folder, nodes, int(about["rootId"]), len(nodes)),
            sum(not row["children"] for row in nodes.values()),
        )

    def bind(self, schema: Schema) -> Bound:
        distance, root = _DISTANCES[self.measure], self.root

        def nearest(point: Vector, norm: float) -> int:
            node = root
            while node.children:
                best, best_distance = node.children[0], distance(node.children[0].centre, point, norm)
                for child in node.children[1:]:
                    found = distance(child.centre, point, norm)
                    if found < best_distance or (best_distance != best_distance and found == found):
                        best, best_distance = child, found
                node = best
            return node.index

        columns = (self.features_column, self.prediction_column)
        return _bound(self, schema, columns, root.centre, nearest, self.measure, self.n_clusters)


def _tree(folder: StageFolder, nodes: Mapping[int, Any], index: int, levels_left: int) -> BisectingNode:
    """The tree under a node.

    :raises StageError: nodes lead in a circle.
    """
    if levels_left < 0:
        raise folder.error("its tree of clusters leads in a circle")
    row = nodes[index]
    centre = Centre(tuple(vector_of(row["center"]).to_list()), float(row["norm"]))
    children = [_tree(folder, nodes, int(child), levels_left - 1) for child in row["children"]]
    if any(len(child.centre.values) != len(centre.values) for child in children):
        raise folder.error("the centres of its clusters are not equally long")
    return BisectingNode(centre, index, tuple(children))


def _bound(
    stage: Stage,
    schema: Schema,
    columns: tuple[str, str],
    centre: Centre,
    nearest: Callable[[Vector, float], int],
    measure: Measure,
    n_clusters: int,
) -> Bound:
    """A stage that writes the number of a cluster."""
    features_column, prediction_column = columns
    read: ReadFeatures = bound_features(stage, schema, features_column)
    size = len(centre.values)
    needs_length = measure == "cosine"

    def score(row: Row) -> None:
        point = read(row)
        if point.size != size:
            raise stage.row_error(f"column {features_column!r} has {point.size} features instead of {size}")
        norm = _norm(point)
        if math.isnan(norm):
            raise stage.row_error(f"column {features_column!r} has a NaN, and Spark knows no distance to it")
        if needs_length and norm == 0.0:
            raise stage.row_error(f"column {features_column!r} is all zeros, which has no cosine distance")
        row[prediction_column] = nearest(point, norm)

    attributes = AttributeGroup(1, (nominal(name=prediction_column, n_values=n_clusters),))
    return Bound(schema.with_output(stage.uid, prediction_column, Column(INT, attributes)), score)


def _measure(folder: StageFolder, name: Any) -> Measure:
    if name == "euclidean":
        return "euclidean"
    if name == "cosine":
        return "cosine"
    raise folder.error(f"its distanceMeasure is {name!r}, which is neither euclidean nor cosine")


def _equally_long(folder: StageFolder, centres: tuple[Centre, ...]) -> tuple[Centre, ...]:
    if len({len(centre.values) for centre in centres}) != 1:
        raise folder.error("its cluster centres are missing or not equally long")
    return centres


def _norm(vector: Vector) -> float:
    values = vector.values
    return math.sqrt(sum(map(mul, values, values), 0.0))


def _dot(centre: Centre, point: Vector) -> float:
    if isinstance(point, SparseVector):
        values = centre.values
        return sum([values[index] * value for index, value in zip(point.indices, point.values, strict=True)], 0.0)
    return sum(map(mul, centre.values, point.values), 0.0)


def _squared_euclidean(centre: Centre, point: Vector, norm: float) -> float:
    """The squared distance, for sparse points the short way where that is precise enough.

    Source: org.apache.spark.mllib.util.MLUtils.fastSquaredDistance.
    """
    if isinstance(point, SparseVector):
        sum_of_squares = centre.norm * centre.norm + norm * norm
        difference = centre.norm - norm
        dot = _dot(centre, point)
        squared = sum_of_squares - 2.0 * dot
        if 2.0 * _EPSILON * sum_of_squares / (difference * difference + _EPSILON) < _PRECISION:
            return squared
        squared = 0.0 if squared < 0.0 else squared
        if not _EPSILON * (sum_of_squares + 2.0 * abs(dot)) / (squared + _EPSILON) > _PRECISION:
            return squared
    return _squared_distance(centre.values, point.to_list())


def _squared_distance(values: Sequence[float], others: Sequence[float]) -> float:
    squared = 0.0
    for one, other in zip(values, others, strict=True):
        apart = one - other
        squared += apart * apart
    return squared


def _cosine(centre: Centre, point: Vector, norm: float) -> float:
    return 1.0 - _dot(centre, point) / centre.norm / norm


_DISTANCES: Final[dict[Measure, Distance]] = {"euclidean": _squared_euclidean, "cosine": _cosine}
