"""What Spark's models give as bundles of MLeap: the very outputs that Spark gave for the same rows."""

from contextlib import suppress
from pathlib import Path

import pytest

from skysail_container.spark import load_pipeline
from skysail_container.spark.mleap.operators import OPERATORS
from spark.bundled_stages import NotBundledError, bundled
from spark.bundles import BundleNode, doubles, tensor, tensors, write_bundle
from spark.fixture import FIXTURES, Fixture
from spark.saved import Saved

N_BUNDLED = 200
"""So many of the stored pipelines, at least, consist of what a bundle can say."""


def operators(node: BundleNode) -> set[str]:
    return {node.op}.union(*map(operators, [*node.nodes, *node.models]))


@pytest.mark.parametrize("family", sorted({path.parent.name for path in FIXTURES}))
def test_sparks_models_give_as_bundles_what_spark_gave(family: str, tmp_path: Path) -> None:
    for path in FIXTURES:
        if path.parent.name != family:
            continue
        fixture = Fixture(path, tmp_path / path.stem)
        try:
            node = bundled(fixture.pipeline.stage)
        except NotBundledError:
            continue
        for protobuf in (False, True):
            bundle = write_bundle(tmp_path / f"{path.stem}-{protobuf}.zip", node, protobuf)
            fixture.use(load_pipeline(bundle))
            fixture.check_rows()
            fixture.check_table()


@pytest.mark.parametrize(
    "name", ["gaussian_mixture", "gaussian_mixture_singular", "gaussian_mixture_without_prediction"]
)
@pytest.mark.parametrize("protobuf", [False, True])
def test_mixtures_give_as_bundles_what_spark_gave(name: str, protobuf: bool, tmp_path: Path) -> None:
    """Of a stage in memory the covariances are not known any more, so that they come out of Spark's file."""
    saved = Saved("clustering", name, tmp_path / "saved")
    fixture = Fixture(next(path for path in FIXTURES if path.stem == name), tmp_path / "fixture")
    (row,) = saved.table().to_pylist()
    means = tensors(*[tensor(*mean["values"]) for mean in row["mus"]])
    covariances = tensors(*[tensor(*one["values"], shape=(one["numRows"], one["numCols"])) for one in row["sigmas"]])
    assert not any(one["isTransposed"] for one in row["sigmas"])
    stages = getattr(fixture.pipeline.stage, "stages", [fixture.pipeline.stage])
    outputs = {"probability": stages[-1].probability_column, "prediction": stages[-1].prediction_column}
    attributes = {"means": means, "covs": covariances, "weights": doubles(*row["weights"])}
    node = BundleNode("gaussian_mixture", attributes, {"features": stages[-1].features_column}, outputs)
    fixture.use(load_pipeline(write_bundle(tmp_path / "bundle.zip", node, protobuf)))
    fixture.check_rows()


def test_every_operator_is_held_to_spark(tmp_path: Path) -> None:
    """But for the imputer, whose stored models have several columns, and a bundle's has one."""
    nodes = []
    for path in FIXTURES:
        with suppress(NotBundledError):
            nodes.append(bundled(Fixture(path, tmp_path / path.stem).pipeline.stage))
    assert len(nodes) >= N_BUNDLED
    assert set(OPERATORS) - set().union(*map(operators, nodes)) == {"gaussian_mixture", "imputer"}
