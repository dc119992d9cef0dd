"""Many rows through all trees of a forest at once: one step down, level by level, for every row in every tree."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from skysail_container.spark.forest import LEAF, Floats, Forest, Ints
from skysail_container.spark.vectors import DenseVector, Vector

__all__ = ["LeavesOfRows", "leaves_of_rows"]

LeavesOfRows = Callable[[Sequence[Vector]], Iterator[Ints]]
"""The leaf that each row comes to in each tree, as node numbers of shape (n_trees, n_rows), for some rows at a time.

It raises something when a row has no features, or too few of them.
"""

_MAX_DEPTH: Final = 64
"""Beyond, one level after another takes too long for what few rows get that far. Spark's own trees end at 30."""
_MAX_CATEGORIES: Final = 1 << 24
_CHUNK: Final = 1 << 17
"""So many rows times trees at a time stay in the cache."""


def leaves_of_rows(forest: Forest) -> LeavesOfRows | None:
    """None: the trees are too deep, or have categories too many, to gain by it."""
    depth = _depth(forest)
    directions = _Directions.of(forest)
    if depth is None or directions is None:
        return None
    used, columns = _columns(forest)
    is_inner = forest.feature != LEAF
    threshold = np.where(is_inner, forest.threshold, np.nan)
    nodes = np.arange(len(is_inner))
    children = np.stack([np.where(is_inner, forest.left, nodes), np.where(is_inner, forest.right, nodes)], 1).ravel()
    n_rows_at_once = max(1, _CHUNK // forest.n_trees)

    def leaves(vectors: Sequence[Vector]) -> Ints:
        values = _matrix(vectors, used)
        flat, n_rows = values.ravel(), len(vectors)
        at = np.repeat(forest.roots, n_rows)
        first_value = np.tile(np.arange(n_rows) * values.shape[1], forest.n_trees)
        for _ in range(depth):
            found = flat.take(first_value + columns.take(at))
            goes_right = ~(found <= threshold.take(at))
            directions.apply(at, found, goes_right)
            at = children.take(2 * at + goes_right)
        return at.reshape(forest.n_trees, n_rows)

    def of(vectors: Sequence[Vector]) -> Iterator[Ints]:
        for start in range(0, len(vectors), n_rows_at_once):
            yield leaves(vectors[start : start + n_rows_at_once])

    return of


def _depth(forest: Forest) -> int | None:
    """How many steps the longest way takes; None: more than `_MAX_DEPTH`."""
    at = forest.roots
    for depth in range(_MAX_DEPTH + 1):
        at = at[forest.feature[at] != LEAF]
        if not len(at):
            return depth
        at = np.concatenate([forest.left[at], forest.right[at]])
    return None


def _columns(forest: Forest) -> tuple[list[int], Ints]:
    """The features that any node splits on, and of each node the place of its own among them, of leaves any."""
    used = np.unique(forest.feature[forest.feature != LEAF])
    if not len(used):
        return [], np.zeros(len(forest.feature), np.int64)
    return used.tolist(), np.searchsorted(used, np.maximum(forest.feature, used[0]))


def _matrix(vectors: Sequence[Vector], used: Sequence[int]) -> Floats:
    """The used features of all rows: shape (n_rows, n_used); one column of zeros if none is used."""
    if not used:
        return np.zeros((len(vectors), 1))
    if len(used) == 1:
        pick: Callable[[Any], Any] = lambda values: (values[used[0]],)  # noqa: E731 - itemgetter gives one no tuple
    else:
        pick = itemgetter(*used)
    places = {feature: place for place, feature in enumerate(used)}
    return np.array(
        [
            pick(vector.values) if isinstance(vector, DenseVector) else _picked(vector, places, used[-1])
            for vector in vectors
        ]
    )


def _picked(vector: Any, places: dict[int, int], last: int) -> list[float]:
    if vector.size <= last:
        raise IndexError(f"a vector has {vector.size} features, feature {last} is asked for")
    picked = [0.0] * len(places)
    for index, value in zip(vector.indices, vector.values, strict=True):
        place = places.get(index)
        if place is not None:
            picked[place] = value
    return picked


@dataclass(frozen=True, slots=True)
class _Directions:
    """Where categorical splits send their rows: a table of all categories, and a last entry for anything else."""

    starts: Ints
    """Of each node its first entry; -1: it has no categories."""
    sizes: Ints
    table: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, forest: Forest) -> "_Directions | None":
        """None: the table would be too large."""
        starts = np.full(len(forest.feature), -1)
        sizes = np.zeros(len(forest.feature), np.int64)
        parts = []
        n_entries = 0
        for node, categories in forest.categories.items():
            size = int(max(categories.members, default=-1.0)) + 1
            starts[node], sizes[node] = n_entries, size
            n_entries += size + 1
            if n_entries > _MAX_CATEGORIES:
                return None
            entries = np.full(size + 1, categories.members_go_left)
            entries[[int(one) for one in categories.members]] = not categories.members_go_left
            parts.append(entries)
        return cls(starts, sizes, np.concatenate(parts) if parts else np.zeros(0, np.bool_))

    def apply(self, at: Ints, values: Floats, goes_right: npt.NDArray[np.bool_]) -> None:
        """Decide anew for the rows that are at nodes with categorical splits."""
        if not len(self.table):
            return
        here = np.flatnonzero(self.starts.take(at) >= 0)
        nodes, asked = at[here], values[here]
        sizes = self.sizes[nodes]
        is_known = (asked >= 0) & (asked < sizes) & (asked == np.floor(asked))
        entries = np.where(is_known, asked, sizes).astype(np.int64)
        goes_right[here] = self.table[self.starts[nodes] + entries]
