"""Schemas as artifacts bring them. What is refused and with which words stands in test_api."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_management.artifact_schema import MAX_MANIFEST_BYTES, checked_schema, parsed_schema, read_schema
from skysail_management.errors import InvalidError
from skysail_management.records import InputField, InputSchema, InputType


def test_an_artifact_without_a_manifest_has_no_schema(tmp_path: Path) -> None:
    assert read_schema(tmp_path) is None


def test_a_manifest_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "skysail.json").open("wb") as manifest:
        manifest.truncate(MAX_MANIFEST_BYTES + 1)
    with pytest.raises(InvalidError, match="expected at most 16777216 bytes"):
        read_schema(tmp_path)


def test_a_schema_is_what_the_manifest_says() -> None:
    schema = parsed_schema({"fields": [{"name": "a", "type": "string", "shape": [2], "optional": True}]})
    assert schema == InputSchema(fields=(InputField("a", "string", (2,), optional=True),))
    assert parsed_schema({"type": "any", "shape": []}) == InputSchema(type="any")


@pytest.mark.parametrize("input_type", InputType)
def test_a_row_of_any_kind_may_be_of_every_input_type(input_type: InputType) -> None:
    assert checked_schema(InputSchema(type="any"), input_type) == InputSchema(type="any")
    assert checked_schema(None, input_type) is None


@pytest.mark.parametrize(
    ("input_type", "schema"),
    [
        (InputType.INTEGERS, InputSchema(type="integer", shape=(-1,))),
        (InputType.DOUBLES, InputSchema(type="number", shape=(3,))),
        (InputType.TENSOR, InputSchema(type="number", shape=(2, -1, 3))),
        (InputType.STRINGS, InputSchema(type="string")),
        (InputType.BYTES, InputSchema(type="bytes")),
        (InputType.JSON, InputSchema(type="string", shape=(2,))),
        (InputType.JSON, InputSchema(fields=())),
    ],
)
def test_a_schema_that_rows_of_the_input_type_can_have_is_kept(input_type: InputType, schema: InputSchema) -> None:
    assert checked_schema(schema, input_type) is schema


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["", "a", "number", "any"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["fields", "type", "shape", "name", "optional", "x"]), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_a_manifest_says_is_a_schema_or_refused_with_its_field(given: object) -> None:
    try:
        parsed_schema(given)
    except InvalidError as error:
        assert (error.field or "").startswith("input_schema")  # noqa: PT017  # that it may be a schema is the point
