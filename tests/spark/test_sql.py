"""Statements that are damaged, foreign or of other versions, and what Spark's own outputs do not show."""

import json
from pathlib import Path
from typing import Any

import pytest

from skysail_container.spark import (
    RowDropped,
    RowError,
    Schema,
    StageError,
    UnsupportedStageError,
    load_pipeline,
)
from skysail_container.spark.attributes import AttributeGroup, nominal
from skysail_container.spark.schema import Column
from skysail_container.spark.stages.sql import SQLTransformer

SCHEMA = {"age": "int", "income": "double", "city": "string", "tags": "array<string>", "born": "date"}
ROW: dict[str, Any] = {"age": 40, "income": 2.5, "city": "Bonn", "tags": ["a"], "born": None}


def scored(statement: str, row: dict[str, Any] | None = None, version: tuple[int, ...] = (4, 0)) -> dict[str, Any]:
    found = dict(ROW if row is None else row)
    SQLTransformer.of("sql", statement, version).bind(Schema(SCHEMA)).score(found)
    return found


def saved(folder: Path, params: dict[str, Any], version: str = "3.5.0") -> Path:
    (folder / "metadata").mkdir(parents=True)
    about = {
        "class": "org.apache.spark.ml.feature.SQLTransformer",
        "uid": "sql_1",
        "timestamp": 1,
        "sparkVersion": version,
        "paramMap": params,
    }
    (folder / "metadata" / "part-00000").write_text(json.dumps(about))
    return folder


def test_what_is_not_selected_is_gone_and_columns_have_the_order_of_the_statement() -> None:
    assert scored("SELECT city AS place, age FROM __THIS__") == {"place": "Bonn", "age": 40}
    bound = SQLTransformer.of("sql", "SELECT city AS place, age + 1 FROM __THIS__").bind(Schema(SCHEMA))
    assert {name: column.type for name, column in bound.schema.items()} == {"place": "string", "(age + 1)": "int"}
    assert list(bound.schema) == ["place", "(age + 1)"]


def test_names_of_columns_may_be_in_any_case_and_qualified() -> None:
    assert scored("select AGE, __this__.City, __THIS__.`income` from __THIS__") == {
        "AGE": 40,
        "City": "Bonn",
        "income": 2.5,
    }


def test_attributes_go_with_a_column_under_any_name_and_not_with_what_is_computed_from_it() -> None:
    group = AttributeGroup(1, (nominal(("a", "b")),))
    schema = Schema({"x": Column("double", group)})
    bound = SQLTransformer.of("sql", "SELECT *, x AS y, x + 1 AS z FROM __THIS__").bind(schema)
    assert [column.attributes for column in bound.schema.values()] == [group, group, None]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT avg(income) FROM __THIS__", "avg, which looks at several rows"),
        ("SELECT count(*) FROM __THIS__", "several rows"),
        ("SELECT *, row_number() OVER (ORDER BY age) FROM __THIS__", "row_number"),
        ("SELECT age FROM __THIS__ GROUP BY age", "GROUP"),
        ("SELECT age FROM __THIS__ ORDER BY age", "ORDER"),
        ("SELECT age FROM __THIS__ LIMIT 3", "LIMIT"),
        ("SELECT DISTINCT age FROM __THIS__", "DISTINCT"),
        ("SELECT a.age FROM __THIS__ a JOIN __THIS__ b ON a.age = b.age", "JOIN"),
        ("SELECT age FROM __THIS__, other", "tables"),
        ("SELECT age FROM other", "the table other"),
        ("SELECT age FROM __THIS__ WHERE age IN (SELECT 1)", "IN (SELECT"),
        ("SELECT (SELECT 1) AS x FROM __THIS__", "a query within an expression"),
        ("WITH t AS (SELECT 1) SELECT * FROM t", "WITH"),
        ("SELECT rand() FROM __THIS__", "the function rand"),
        ("SELECT my_udf(age) FROM __THIS__", "the function my_udf"),
        ("SELECT explode(tags) FROM __THIS__", "the function explode"),
        ("SELECT transform(tags, x -> upper(x)) FROM __THIS__", "a lambda"),
        ("SELECT CAST(age AS DATE) FROM __THIS__", "the type DATE"),
        ("SELECT DATE '2020-01-01' FROM __THIS__", "DATE"),
        ("SELECT city LIKE ANY ('a', 'b') FROM __THIS__", "LIKE ANY"),
        ("SELECT overlay(city PLACING 'x' FROM 1) FROM __THIS__", "PLACING"),
        ("SELECT age +", "the end"),
        ("SELECT age FROM __THIS__ \x01", "cannot be read"),
        ("DROP TABLE x", "SELECT is expected"),
        ("", "SELECT is expected"),
        ("SELECT " + "(" * 500 + "1" + ")" * 500 + " FROM __THIS__", "levels"),
        ("SELECT " + "1 + " * 5000 + "1 FROM __THIS__", "levels"),
        ("SELECT " + "- " * 5000 + "age FROM __THIS__", "levels"),
        ("SELECT " + "NOT " * 5000 + "true FROM __THIS__", "levels"),
    ],
)
def test_statements_that_only_spark_can_run_are_refused_by_name_when_they_are_loaded(
    statement: str, named: str
) -> None:
    with pytest.raises(UnsupportedStageError) as refused:
        SQLTransformer.of("sql", statement)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("born + 1", "born of type date"),
        ("born > '2020'", "date"),
        ("concat(born, 'x')", "date"),
        ("split(city, city)", "depends on the row"),
        ("round(income, age)", "depends on the row"),
        ("tags = tags", "array<string>"),
        ("born.year", "born.year"),
        ("substring(city)", "1 arguments"),
        ("city RLIKE '('", "regular expression"),
        ("split(city, 'x*')", "empty string"),
        ("if(true, tags, 1)", "array<string>"),
    ],
)
def test_what_is_not_known_of_some_types_is_refused_when_columns_are_bound(expression: str, named: str) -> None:
    with pytest.raises(UnsupportedStageError) as refused:
        scored(f"SELECT {expression} AS x FROM __THIS__")  # noqa: S608
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT wage FROM __THIS__", "no column is called wage"),
        ("SELECT t.age FROM __THIS__", "t.age"),
        ("SELECT t.* FROM __THIS__ AS u", "no table t"),
        ("SELECT *, age + 1 AS age FROM __THIS__", "two columns would be called age"),
        ("SELECT * FROM __THIS__ WHERE age", "age is int where boolean is expected"),
        ("SELECT age AND true AS x FROM __THIS__", "boolean"),
    ],
)
def test_statements_that_do_not_fit_the_columns_are_errors_that_name_the_column(statement: str, named: str) -> None:
    with pytest.raises(StageError) as failed:
        scored(statement)
    assert named in str(failed.value)


def test_two_columns_whose_names_differ_in_case_only_are_ambiguous() -> None:
    stage = SQLTransformer.of("sql", "SELECT a FROM __THIS__")
    with pytest.raises(StageError, match="several columns are called a"):
        stage.bind(Schema({"a": "int", "A": "int"}))


def test_rows_are_dropped_by_where_and_fail_by_name() -> None:
    with pytest.raises(RowDropped, match="WHERE"):
        scored("SELECT * FROM __THIS__ WHERE age > 40")
    with pytest.raises(RowDropped, match="WHERE"):
        scored("SELECT * FROM __THIS__ WHERE age > 30", {**ROW, "age": None})
    with pytest.raises(RowError, match="division by zero"):
        scored("SELECT age / 0 AS x FROM __THIS__")
    with pytest.raises(RowError, match="'Bonn' cannot be read as int"):
        scored("SELECT CAST(city AS INT) AS x FROM __THIS__")


def test_models_of_spark_3_are_scored_without_ansi_mode() -> None:
    assert scored("SELECT age / 0 AS x, city + 1 AS y, tags[5] AS z FROM __THIS__", version=(3, 5, 1)) == {
        "x": None,
        "y": None,
        "z": None,
    }
    assert scored("SELECT 2147483647 + age AS x FROM __THIS__", version=(2, 4)) == {"x": -2147483609}


def test_doubled_quotes_are_a_quote_since_spark_4_and_joined_strings_before() -> None:
    assert scored("SELECT 'it''s' AS x FROM __THIS__") == {"x": "it's"}
    assert scored("SELECT 'it''s' AS x FROM __THIS__", version=(3, 3)) == {"x": "its"}


def test_operators_bind_as_in_sparks_grammar() -> None:
    values = scored(
        "SELECT 1 | 2 & 3 AS a, 1 + 2 * 3 AS b, NOT false AND false AS c, 2 - 1 - 1 AS d, 6 / 3 / 2 AS e, "
        "1 = 1 = true AS f, 1 + 1 << 2 AS g, 3 ^ 1 & 2 AS h, NOT 1 = 2 AS i, false AND false OR true AS j FROM __THIS__"
    )
    assert values == {"a": 3, "b": 7, "c": False, "d": 0, "e": 1.0, "f": True, "g": 8, "h": 3, "i": True, "j": True}


@pytest.mark.parametrize(("version", "expected"), [("2.3.0", None), ("3.5.0", None), ("4.0.0", RowError)])
def test_saved_transformers_of_all_versions_are_read(tmp_path: Path, version: str, expected: Any) -> None:
    folder = saved(tmp_path / "model", {"statement": "SELECT *, age DIV 0 AS x FROM __THIS__"}, version)
    pipeline = load_pipeline(folder)
    if expected is None:
        assert pipeline.score_instance({"age": 1}) == {"age": 1, "x": None}
    else:
        with pytest.raises(expected):
            pipeline.score_instance({"age": 1})


@pytest.mark.parametrize("params", [{}, {"statement": None}, {"statement": 5}, {"statement": ["SELECT"]}])
def test_a_transformer_without_a_statement_is_damaged(tmp_path: Path, params: dict[str, Any]) -> None:
    with pytest.raises(StageError, match="statement"):
        load_pipeline(saved(tmp_path / "model", params))
