"""JSON records become rows of Spark's types; what does not fit is refused with its column."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from skysail_container.errors import UnusableRowsError
from skysail_container.spark import DenseVector, Schema, SparseVector
from skysail_container.spark.typed_rows import MAX_VECTOR_SIZE, TypedRows, record_schema, spark_type


def converted(column_type: str, value: Any) -> Any:
    return TypedRows(Schema({"a": column_type})).row({"a": value})["a"]


def refusal(column_type: str, value: Any) -> str:
    with pytest.raises(UnusableRowsError) as caught:
        converted(column_type, value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("column_type", "value", "typed"),
    [
        ("tinyint", -128, -128),
        ("smallint", 32767, 32767),
        ("int", 3.0, 3),
        ("int", -(2**31), -(2**31)),
        ("bigint", 2**63 - 1, 2**63 - 1),
        ("double", 3, 3.0),
        ("double", 2**60 + 1, float(2**60)),
        ("double", math.inf, math.inf),
        ("float", -1.07501, -1.0750099420547485),
        ("float", 1e-50, 0.0),
        ("float", -math.inf, -math.inf),
        ("string", "ü", "ü"),
        ("string", "", ""),
        ("boolean", True, True),
        ("decimal(10,2)", 12.34, Decimal("12.34")),
        ("decimal(10,2)", -3, Decimal("-3.00")),
        ("decimal(10,2)", 0.125, Decimal("0.13")),
        (
            "decimal(38,18)",
            "12345678901234567890.123456789012345678",
            Decimal("12345678901234567890.123456789012345678"),
        ),
        ("array<decimal(3,0)>", [999], [Decimal(999)]),
        ("array<string>", ["a", None], ["a", None]),
        ("array<array<double>>", [[1], []], [[1.0], []]),
        ("vector", [1, 2.5], DenseVector([1.0, 2.5])),
        ("vector", [], DenseVector([])),
        ("vector", {"size": 3, "indices": [0, 2], "values": [1, 0.5]}, SparseVector(3, [0, 2], [1.0, 0.5])),
        ("vector", {"type": 0, "size": 3, "indices": [], "values": []}, SparseVector(3, [], [])),
        ("vector", {"type": 1, "size": None, "indices": None, "values": [2]}, DenseVector([2.0])),
        ("vector", {"type": 1, "values": [2]}, DenseVector([2.0])),
    ],
)
def test_values_get_the_type_of_their_column(column_type: str, value: Any, typed: Any) -> None:
    found = converted(column_type, value)
    assert found == typed
    assert type(found) is type(typed)


@pytest.mark.parametrize("column_type", ["int", "float", "string", "boolean", "vector", "array<int>", "void"])
def test_null_and_a_missing_field_are_null(column_type: str) -> None:
    assert converted(column_type, None) is None
    assert TypedRows(Schema({"a": column_type})).row({}) == {"a": None}


def test_nan_stays_nan() -> None:
    assert math.isnan(converted("double", math.nan))
    assert math.isnan(converted("float", math.nan))


@pytest.mark.parametrize(
    ("column_type", "value", "text"),
    [
        ("int", 2**31, "a whole number of type int is expected, this is 2147483648"),
        ("tinyint", 128, "a whole number of type tinyint is expected"),
        ("bigint", 3.5, "a whole number of type bigint is expected, this is 3.5"),
        ("bigint", math.nan, "this is nan"),
        ("bigint", math.inf, "this is inf"),
        ("int", True, "this is True"),
        ("double", "3", "a number is expected, this is '3'"),
        ("double", False, "a number is expected, this is False"),
        ("double", 10**400, "that a double can hold"),
        ("float", 1e39, "that a float can hold, this is 1e+39"),
        ("string", 5, "a string is expected, this is 5"),
        ("boolean", 1, "true or false is expected, this is 1"),
        ("decimal(4,2)", 100, "a decimal(4,2) is expected, this is 100"),
        ("decimal(4,2)", 99.995, "a decimal(4,2) is expected"),
        ("decimal(4,2)", math.nan, "a decimal(4,2) is expected, this is nan"),
        ("decimal(4,2)", math.inf, "a decimal(4,2) is expected, this is inf"),
        ("decimal(4,2)", "1e999999", "a decimal(4,2) is expected"),
        ("decimal(4,2)", "many", "a decimal(4,2) is expected, this is 'many'"),
        ("decimal(4,2)", True, "a number is expected, this is True"),
        ("array<int>", 5, "a list is expected, this is 5"),
        ("array<int>", [1, "b"], "in the list, a whole number of type int is expected, this is 'b'"),
        ("void", 5, "null is expected"),
        ("vector", "text", "a list of numbers or an object"),
        ("vector", {"size": 3}, "a list of numbers or an object"),
        ("vector", {"size": 3, "indices": [0], "values": [1], "more": 1}, "a list of numbers or an object"),
        ("vector", [1, None], "a number is expected, this is null"),
        ("vector", {"size": 3, "indices": [0], "values": 1}, "its values are no list but 1"),
        ("vector", {"size": 3, "indices": [2, 0], "values": [1, 2]}, "ascending, from 0 to 2"),
        ("vector", {"size": 3, "indices": [1, 1], "values": [1, 2]}, "ascending, from 0 to 2"),
        ("vector", {"size": 3, "indices": [3], "values": [1]}, "ascending, from 0 to 2"),
        ("vector", {"size": 3, "indices": [True], "values": [1]}, "ascending, from 0 to 2"),
        ("vector", {"size": 3, "indices": [0], "values": []}, "as many indices as values"),
        ("vector", {"size": -1, "indices": [], "values": []}, "a size of 0 to"),
        ("vector", {"size": MAX_VECTOR_SIZE + 1, "indices": [], "values": []}, "a size of 0 to 16777216"),
        ("vector", {"size": 2.5, "indices": [], "values": []}, "this is 2.5"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_column(column_type: str, value: Any, text: str) -> None:
    refused = refusal(column_type, value)
    assert refused.startswith("column 'a': ")
    assert text in refused


def test_a_field_that_is_no_column_is_refused() -> None:
    with pytest.raises(UnusableRowsError, match="there is no column 'agee', only age, city"):
        TypedRows(Schema({"age": "int", "city": "string"})).row({"agee": 3})


def test_rows_may_be_values_in_the_columns_order() -> None:
    rows = TypedRows(Schema({"age": "int", "income": "double"}))
    assert rows.row([3, 2]) == {"age": 3, "income": 2.0}
    assert rows.row(np.array([3.0, 2.5])) == {"age": 3, "income": 2.5}
    assert TypedRows(Schema({"text": "string"})).row("a b") == {"text": "a b"}
    assert TypedRows(Schema({"features": "vector"})).row(np.array([1.0, 2.0])) == {"features": DenseVector([1.0, 2.0])}
    for record in ([3], "text", 5, None):
        with pytest.raises(UnusableRowsError, match="an object with the columns age, income is expected"):
            rows.row(record)


def test_a_type_that_json_has_no_form_for_is_named_with_its_column() -> None:
    for column_type in ("date", "decimal", "map<string,int>", "array<timestamp>"):
        with pytest.raises(ValueError, match=r"column .when. is of type .*, which a JSON record cannot have"):
            TypedRows(Schema({"when": column_type}))


def test_types_go_by_any_of_their_names() -> None:
    assert [spark_type(name) for name in ("LONG", "Integer", "array<short>", "double", " vector ", "byte")] == [
        "bigint",
        "int",
        "array<smallint>",
        "double",
        "vector",
        "tinyint",
    ]


def test_a_record_shows_its_types() -> None:
    record = {"a": 1, "b": 1.5, "c": "x", "d": True, "e": None, "f": [1], "g": ["x"], "h": [], "i": {"size": 1}}
    types = {name: column.type for name, column in record_schema(record).items()}
    assert types == {
        "a": "bigint",
        "b": "double",
        "c": "string",
        "d": "boolean",
        "e": "void",
        "f": "vector",
        "g": "array<string>",
        "h": "vector",
        "i": "vector",
    }
