"""Linear models and classifiers: files of older versions, damaged ones, columns that do not fit."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysail_container.spark import (
    DenseVector,
    Pipeline,
    RowError,
    SparseVector,
    StageError,
    UnsupportedStageError,
    load_pipeline,
)

FIXTURES = Path(__file__).parent / "fixtures"
ONES = {"features": DenseVector([1.0] * 5)}


class Saved:
    """A saved model whose files can be changed."""

    def __init__(self, name: str, folder: Path) -> None:
        (archive,) = FIXTURES.glob(f"*/{name}.zip")
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)
        self.path = folder / "model"

    def load(self) -> Pipeline:
        return load_pipeline(self.path)

    def outputs(self) -> dict[str, Any]:
        return self.load().bind({"features": "vector"}).score_instance(ONES)

    def metadata(self, **changes: Any) -> None:
        """Change entries of the metadata; a function gets the old value."""
        (part,) = (self.path / "metadata").glob("part-*")
        found = json.loads(part.read_text())
        for name, change in changes.items():
            found[name] = change(found.get(name)) if callable(change) else change
        part.write_text(json.dumps(found))

    def data(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        (part,) = (self.path / "data").glob("part-*.parquet")
        (row,) = pq.read_table(part).to_pylist()
        pq.write_table(pa.Table.from_pylist([change(row)]), part)


Open = Callable[[str], Saved]


@pytest.fixture
def saved(tmp_path: Path) -> Open:
    return lambda name: Saved(name, tmp_path)


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {name: value for name, value in row.items() if name not in names}


@pytest.mark.parametrize(
    "name", ["logistic_binary", "support_vectors", "naive_bayes_gaussian", "glm_poisson", "linear_regression"]
)
def test_a_file_of_spark_2_3_holds_its_defaults_among_the_parameters(saved: Open, name: str) -> None:
    model = saved(name)
    expected = model.outputs()
    (part,) = (model.path / "metadata").glob("part-*")
    found = json.loads(part.read_text())
    model.metadata(sparkVersion="2.3.1", paramMap={**found["defaultParamMap"], **found["paramMap"]}, defaultParamMap={})
    part.rename(part.with_name("part-00000"))
    assert model.outputs() == expected


def test_parameters_that_spark_did_not_write_have_its_defaults(saved: Open) -> None:
    model = saved("logistic_binary")
    expected = model.outputs()
    model.metadata(paramMap={}, defaultParamMap={})
    assert model.outputs() == expected


def test_a_linear_regression_of_spark_2_2_has_no_scale(saved: Open) -> None:
    model = saved("linear_regression")
    expected = model.outputs()
    model.data(without("scale"))
    assert model.outputs() == expected


def test_naive_bayes_of_spark_2_has_no_variances(saved: Open) -> None:
    model = saved("naive_bayes_multinomial")
    rows = {"features": DenseVector([1.0] * 6)}
    expected = model.load().bind({"features": "vector"}).score_instance(rows)
    model.data(without("sigma"))
    assert model.load().bind({"features": "vector"}).score_instance(rows) == expected


def test_a_perceptron_of_spark_2_has_its_layers_in_the_data(saved: Open) -> None:
    model = saved("perceptron")
    expected = model.outputs()
    model.metadata(paramMap=without("layers"))
    model.data(lambda row: {"layers": [5, 4, 3], **row})
    assert model.outputs() == expected


def test_one_vs_rest_with_a_label_column_of_names_passes_them_on(saved: Open) -> None:
    model = saved("one_vs_rest_of_support_vectors")
    label = {"ml_attr": {"type": "nominal", "name": "label", "vals": ["low", "mid", "high"]}}
    model.metadata(labelMetadata=json.dumps(label))
    attributes = model.load().bind({"features": "vector"}).output_schema["class"].attributes
    assert attributes is not None
    assert attributes.attributes is not None
    assert attributes.attributes[0].values == ("low", "mid", "high")
    assert attributes.attributes[0].name == "label"


def test_one_vs_rest_saved_by_python_alone_is_the_same_stage(saved: Open) -> None:
    model = saved("one_vs_rest_of_support_vectors")
    expected = model.outputs()
    model.metadata(**{"class": "pyspark.ml.classification.OneVsRestModel", "labelMetadata": None})
    assert model.outputs() == expected


def test_one_vs_rest_with_all_outputs_switched_off_does_nothing(saved: Open) -> None:
    model = saved("one_vs_rest_of_support_vectors")
    model.metadata(paramMap=lambda params: {**params, "predictionCol": "", "rawPredictionCol": ""})
    assert model.load().bind({"features": "vector"}).score_instance({"features": None}) == {"features": None}


def test_the_columns_of_a_one_vs_rest_s_classifiers_count_for_nothing(saved: Open) -> None:
    model = saved("one_vs_rest_of_support_vectors")
    expected = model.outputs()
    (part,) = (model.path / "model_1" / "metadata").glob("part-*")
    found = json.loads(part.read_text())
    found["paramMap"] |= {"featuresCol": "other", "predictionCol": "features", "rawPredictionCol": ""}
    part.write_text(json.dumps(found))
    assert model.outputs() == expected


def test_a_classifier_says_what_is_known_of_its_outputs(saved: Open) -> None:
    schema = saved("logistic_multinomial").load().bind({"features": "vector"}).output_schema
    assert list(schema) == ["features", "rawPrediction", "probability", "prediction"]
    groups = [schema[name].attributes for name in ("rawPrediction", "probability", "prediction")]
    assert [group.size for group in groups if group] == [3, 3, 1]
    assert groups[2] is not None
    assert groups[2].attributes is not None
    assert groups[2].attributes[0].cardinality == 3


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("logistic_binary", ["coefficientMatrix", "interceptVector", "numClasses", "isMultinomial"]),
        ("logistic_multinomial", ["coefficientMatrix", "interceptVector"]),
        ("support_vectors", ["coefficients", "intercept"]),
        ("naive_bayes_gaussian", ["pi", "theta", "sigma"]),
        ("perceptron", ["weights"]),
        ("factorization_classes", ["intercept", "linear", "factors"]),
        ("linear_regression", ["coefficients", "intercept"]),
        ("glm_poisson", ["coefficients", "intercept"]),
    ],
)
def test_data_without_a_column_names_the_stage(tmp_path: Path, name: str, columns: list[str]) -> None:
    for column in columns:
        model = Saved(name, tmp_path / column)
        uid = json.loads(next((model.path / "metadata").glob("part-*")).read_text())["uid"]
        model.data(without(column))
        with pytest.raises(StageError, match=uid):
            model.load()


def changed(name: str, **changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {**row, name: {**row[name], **changes}}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("logistic_multinomial", changed("coefficientMatrix", numRows=4)),
        ("logistic_multinomial", changed("coefficientMatrix", values=[1.0])),
        ("logistic_multinomial", changed("interceptVector", values=[1.0])),
        ("logistic_multinomial_sparse_coefficients", changed("coefficientMatrix", colPtrs=[0, 1])),
        ("logistic_multinomial_sparse_coefficients", changed("coefficientMatrix", numCols=1, numRows=1)),
        ("naive_bayes_multinomial", changed("pi", values=[0.5])),
        ("naive_bayes_gaussian", changed("sigma", values=[0.5])),
        ("naive_bayes_gaussian", changed("sigma", values=[0.5], numRows=1, numCols=1)),
        ("perceptron", changed("weights", values=[0.5] * 7)),
        ("factorization_numbers", changed("linear", values=[0.5] * 7)),
    ],
)
def test_numbers_that_do_not_fit_together_are_an_error_of_the_stage(
    saved: Open, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    model = saved(name)
    model.data(change)
    with pytest.raises(StageError):
        model.load().bind({"features": "vector"})


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("logistic_binary", {"threshold": 0.5, "thresholds": [0.9, 0.1]}, "contradict each other"),
        ("logistic_multinomial", {"threshold": 0.5, "thresholds": [0.9, 0.1, 0.3]}, "two classes"),
        ("logistic_multinomial", {"thresholds": [0.9, 0.1]}, "2 thresholds for 3 classes"),
        ("naive_bayes_gaussian", {"thresholds": [0.9]}, "1 thresholds for 3 classes"),
        ("naive_bayes_gaussian", {"modelType": "poisson"}, "modelType 'poisson'"),
        ("glm_poisson", {"family": "cauchy"}, "no family 'cauchy'"),
        ("glm_poisson", {"link": "probit"}, "no link 'probit'"),
        ("perceptron", {"layers": [5, 3]}, "layers"),
        ("perceptron", {"layers": []}, "."),
    ],
)
def test_parameters_that_spark_refuses_are_refused(saved: Open, name: str, params: dict[str, Any], reason: str) -> None:
    model = saved(name)
    model.metadata(paramMap=lambda known: {**known, **params})
    with pytest.raises(StageError, match=reason):
        model.load().bind({"features": "vector"})


@pytest.mark.parametrize(
    "name", ["logistic_binary", "linear_regression", "glm_offset", "one_vs_rest_of_support_vectors"]
)
def test_columns_that_do_not_fit_are_named(saved: Open, name: str) -> None:
    pipeline = saved(name).load()
    others = {"offset": "double"}
    with pytest.raises(StageError, match="'features'"):
        pipeline.bind(others)
    with pytest.raises(StageError, match=r"'features'.*string"):
        pipeline.bind({**others, "features": "string"})
    prediction = "class" if name.startswith("one") else "prediction"
    with pytest.raises(StageError, match=f"'{prediction}'.*exists already"):
        pipeline.bind({**others, "features": "vector", prediction: "double"})


def test_an_offset_that_is_no_number_is_named(saved: Open) -> None:
    with pytest.raises(StageError, match=r"'offset'.*numeric"):
        saved("glm_offset").load().bind({"features": "vector", "offset": "string"})


def test_an_unknown_parameter_is_left_to_spark(saved: Open) -> None:
    model = saved("support_vectors")
    model.metadata(paramMap=lambda params: {**params, "kernel": "rbf"})
    with pytest.raises(UnsupportedStageError, match="kernel"):
        model.load()


def test_one_vs_rest_without_one_of_its_models_says_so(saved: Open) -> None:
    model = saved("one_vs_rest_of_support_vectors")
    shutil.rmtree(model.path / "model_2")
    with pytest.raises(StageError, match="model_2 is missing"):
        model.load()


def test_a_row_of_another_size_says_both_sizes(saved: Open) -> None:
    scorer = saved("logistic_binary").load().bind({"features": "vector"})
    with pytest.raises(RowError, match="takes 5 features and got 1000000000"):
        scorer.score_instance({"features": SparseVector(1_000_000_000, [7], [1.0])})
