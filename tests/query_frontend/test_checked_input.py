"""Examples checked by a schema: what is not of it is refused by name, and what is goes on as it came."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysail_container.input_schema import parsed_schema
from skysail_frontend.checked_input import checked_input_type
from skysail_frontend.errors import RequestRefusedError
from skysail_frontend.predict_request import PredictRequestParser
from skysail_management.records import InputField, InputSchema

PATIENT = InputSchema(
    fields=(
        InputField("age", "integer"),
        InputField("scan", "number", (3, 2)),
        InputField("smoker", "boolean", (), optional=True),
        InputField("the names", "string", (-1,), optional=True),
        InputField("picture", "bytes", (), optional=True),
        InputField("more", "any", (), optional=True),
    )
)
ROW: dict[str, Any] = {"age": 41, "scan": [[1, 2.5], [3, 4], [5, 6]]}
NAMES = "`age`, `scan`, `smoker`, `the names`, `picture`, `more`"


def parser(name: str, schema: InputSchema) -> PredictRequestParser:
    return PredictRequestParser(checked_input_type(name, schema), 100)


def payload(name: str, schema: InputSchema, value: Any) -> Any:
    return parser(name, schema).parse_row(json.dumps({"input": value}).encode())


def cause(name: str, schema: InputSchema, body: Any) -> str:
    with pytest.raises(RequestRefusedError) as caught:
        parser(name, schema).parse_row(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (caught.value.status, caught.value.error) == (400, "Json error")
    return caught.value.cause


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_a_row_of_the_schema_goes_on_as_it_came_in_the_order_of_the_schema() -> None:
    row = {"smoker": None, "scan": [[1, 2.5], [3, 4.0], [5, -0.0]], "age": 10**30, "the names": ["a", "\u00e9"]}
    taken = payload("json", PATIENT, row)
    assert taken == '{"age":%d,"scan":[[1,2.5],[3,4.0],[5,-0.0]],"smoker":null,"the names":["a","\u00e9"]}'.encode() % (
        10**30
    )
    assert payload("json", PATIENT, ROW) == b'{"age":41,"scan":[[1,2.5],[3,4],[5,6]]}'


def test_a_batch_is_checked_row_by_row() -> None:
    request = parser("json", PATIENT).parse(json.dumps({"input_batch": [ROW, ROW | {"age": 3}]}).encode())
    assert [json.loads(row)["age"] for row in request.payloads] == [41, 3]
    text = cause("json", PATIENT, {"input_batch": [ROW, ROW | {"age": "3"}, 7]})
    assert text == "`input_batch[1].age` is the string '3'; an integer was expected"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"age": 1.5}, "`input.age` is 1.5; an integer was expected"),
        ({"age": 1.0}, "`input.age` is 1.0; an integer was expected"),
        ({"age": True}, "`input.age` is true; an integer was expected"),
        ({"age": None}, "`input.age` is null; an integer was expected"),
        ({"age": "x" * 99}, f"`input.age` is the string '{'x' * 60}...'; an integer was expected"),
        ({"scan": 1}, "`input.scan` is 1; an array of 3 x 2 numbers was expected"),
        ({"scan": [[1, 2]] * 2}, "`input.scan` is an array of 2; an array of 3 x 2 numbers was expected"),
        ({"scan": [[1, 2], [1]]}, "`input.scan` is an array of 2; an array of 3 x 2 numbers was expected"),
        ({"scan": [[1, 2], [1], 3]}, "`input.scan[1]` is an array of 1; an array of 2 numbers was expected"),
        ({"scan": [[1, 2], [1, {}], 3]}, "`input.scan[1][1]` is an object; a number was expected"),
        ({"scan": [[1, 2]] * 4}, "`input.scan` is an array of 4; an array of 3 x 2 numbers was expected"),
        ({"smoker": 0}, "`input.smoker` is 0; true or false was expected"),
        ({"the names": "a"}, "`input.the names` is the string 'a'; an array of strings was expected"),
        ({"the names": ["a", None]}, "`input.the names[1]` is null; a string was expected"),
        ({"picture": "A"}, "`input.picture` is the string 'A'; base64 was expected"),
        ({"agee": 3}, f"`input.agee` is unknown; the fields are {NAMES}"),
        ({"more": json.loads("[" * 64 + "]" * 64)}, "`input` nests deeper than 64 levels"),
    ],
)
def test_what_is_not_of_the_schema_is_refused_with_its_field_what_came_and_what_was_expected(
    change: dict[str, Any], text: str
) -> None:
    assert cause("json", PATIENT, {"input": ROW | change}) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"input": [1]}, f"`input` is an array; an object of {NAMES} was expected"),
        ({"input": {"age": 1}}, "`input.scan` is missing; an array of 3 x 2 numbers was expected"),
        ({"input": {}}, "`input.age` is missing; an integer was expected"),
        (b'{"input":{"age":NaN}}', "`input.age` is NaN, which is not JSON"),
        (b'{"input":{"age":1,"scan":[[1e999,1]]}}', "Number out of range - at `input.scan[0][0]`"),
        (b'{"input":{"\\ud800":1}}', "`input.'\\ud800'` holds a lone surrogate, which is not text"),
        (b'{"input":{"age":', "Input data was truncated"),
        ({}, "Object missing required field `input` (or `input_batch`)"),
        ({"input": ROW, "timeout_ms": True}, "Expected `float | null`, got `bool` - at `timeout_ms`"),
    ],
)
def test_a_faulty_body_is_told_what_is_wrong_with_it(body: Any, text: str) -> None:
    assert cause("json", PATIENT, body) == text


def test_input_wins_over_an_input_batch_that_is_not_of_the_schema() -> None:
    request = parser("json", PATIENT).parse(json.dumps({"input_batch": [1], "input": ROW}).encode())
    assert request.payloads == [b'{"age":41,"scan":[[1,2.5],[3,4],[5,6]]}']


def test_rows_that_are_no_objects_are_checked_too() -> None:
    schema = InputSchema(type="number", shape=(2, -1))
    assert payload("json", schema, [[1, 2], []]) == b"[[1,2],[]]"
    assert cause("json", schema, {"input": [[1], ["a"]]}) == "`input[1][0]` is the string 'a'; a number was expected"
    assert cause("json", schema, {"input": {}}) == "`input` is an object; an array of 2 x n numbers was expected"
    assert payload("json", InputSchema(type="string"), "a") == b'"a"'
    assert cause("json", InputSchema(type="string"), {"input": 1}) == "`input` is 1; a string was expected"


def test_any_row_may_come_where_any_is_expected_and_none_where_no_field_is() -> None:
    assert payload("json", InputSchema(type="any"), {"a": [None]}) == b'{"a":[null]}'
    assert payload("json", InputSchema(fields=()), {}) == b"{}"
    assert cause("json", InputSchema(fields=()), {"input": {"a": 1}}) == "`input.a` is unknown; the fields are none"


def test_a_thousand_fields_are_checked_and_few_of_them_listed() -> None:
    schema = InputSchema(fields=tuple(InputField(f"column {i}", "number") for i in range(1_000)))
    row = {f"column {i}": i for i in reversed(range(1_000))}
    assert json.loads(payload("json", schema, row)) == row
    text = cause("json", schema, {"input": row | {"another": 1}})
    assert text.startswith("`input.another` is unknown; the fields are `column 0`, ")
    assert text.endswith("`column 7` and 992 more")


def test_a_row_that_is_too_long_to_look_at_twice_is_refused_with_the_decoders_words() -> None:
    text = cause("json", InputSchema(type="number", shape=(-1,)), {"input": [*range(30_000), "x"]})
    assert text == "Expected `int | float`, got `str` - at `input[30000]`"


# --- numbers, text and tensors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("integers", "q"), ("floats", "f"), ("doubles", "d")])
@pytest.mark.parametrize("n", [3, 900])
def test_a_row_of_numbers_has_the_length_of_the_schema(name: str, code: str, n: int) -> None:
    schema = InputSchema(type="number", shape=(n,))
    assert payload(name, schema, list(range(n))) == struct.pack(f"<{n}{code}", *range(n))
    for other in (n - 1, n + 1):
        assert cause(name, schema, {"input": list(range(other))}) == f"`input` holds {other} numbers; {n} were expected"
    rows = [list(range(n)), [1]]
    assert cause(name, schema, {"input_batch": rows}) == f"`input_batch[1]` holds 1 numbers; {n} were expected"
    assert cause(name, schema, {"input": ["a"]}).startswith("Expected `")


def test_a_row_of_numbers_may_have_any_length_when_the_schema_says_so() -> None:
    for n in (1, 900):
        assert len(payload("doubles", InputSchema(type="number", shape=(-1,)), [0.5] * n)) == 8 * n


@pytest.mark.parametrize(("shape", "text"), [((2, 3), "[2, 3]"), ((2, -1), "[2, n]"), ((-1, 3), "[n, 3]")])
def test_a_tensor_has_the_shape_of_the_schema(shape: tuple[int, ...], text: str) -> None:
    schema = InputSchema(type="number", shape=shape)
    assert payload("tensor", schema, [[1, 2, 3]] * 2)[1] == (2, 3)
    packed = {"data": base64.b64encode(bytes(6)).decode(), "dtype": "|u1", "shape": [2, 3]}
    assert payload("tensor", schema, packed)[1] == (2, 3)
    for other, found in (([[1, 2]] * 3, "[3, 2]"), ([1, 2, 3], "[3]"), ([[[1, 2, 3]] * 2], "[1, 2, 3]")):
        assert cause("tensor", schema, {"input": other}) == f"`input` has shape {found}; {text} was expected"


@pytest.mark.parametrize(("name", "kind", "value"), [("strings", "string", "a"), ("bytes", "bytes", "AA==")])
def test_texts_and_bytes_are_what_their_input_type_says(name: str, kind: Any, value: str) -> None:
    assert payload(name, InputSchema(type=kind), value) in ("a", b"\x00")


# --- any schema, any row --------------------------------------------------------------------------------------------

KINDS = ["integer", "number", "string", "boolean", "any"]
SHAPES = st.lists(st.sampled_from([-1, 0, 1, 2]), max_size=2).map(tuple)
TEXTS = st.sampled_from(["", "a", "b c", "\u00e9", "\U0001f600", "'", "`", "f0", "f1", "2"])
FIELDS = st.lists(
    st.builds(InputField, name=TEXTS, type=st.sampled_from(KINDS), shape=SHAPES, optional=st.booleans()),
    max_size=4,
    unique_by=lambda field: field.name,
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from([0.5, -1.25]), TEXTS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2), max_leaves=4)


@st.composite
def rows_and_schemas(draw: st.DrawFn) -> tuple[Any, InputSchema]:
    """A row, and a schema that fits it in about every second case."""
    if draw(st.booleans()):
        kind, shape = draw(st.sampled_from(KINDS)), draw(SHAPES)
        return draw(st.one_of(VALUES, _of(kind, shape))), InputSchema(type=kind, shape=shape)  # type: ignore[arg-type]  # literals
    fields = draw(FIELDS)
    row = {field.name: draw(_of(field.type, field.shape)) for field in fields}
    for name in draw(st.lists(st.sampled_from([*row, "other"]), max_size=1)):
        row[name] = draw(VALUES)
    for name in draw(st.lists(st.sampled_from([*row, "other"]), max_size=1)):
        row.pop(name, None)
    return row, InputSchema(fields=tuple(fields))


def _of(kind: str, shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    if shape:
        least, most = (0, 2) if shape[0] < 0 else (shape[0], shape[0])
        return st.lists(_of(kind, shape[1:]), min_size=least, max_size=most)
    return {
        "integer": st.integers(-9, 9),
        "number": st.one_of(st.integers(-9, 9), st.sampled_from([0.5, 2.0])),
        "string": TEXTS,
        "boolean": st.booleans(),
        "any": VALUES,
    }[kind]


@given(rows_and_schemas())
def test_a_row_is_taken_when_the_container_would_find_that_it_fits_and_else_its_fault_is_named(
    case: tuple[Any, InputSchema],
) -> None:
    row, schema = case
    fields = [
        {"name": field.name, "type": field.type, "shape": list(field.shape), "optional": field.optional}
        for field in schema.fields or ()
    ]
    as_manifest = {"type": schema.type, "shape": list(schema.shape)} if schema.fields is None else {"fields": fields}
    misfit = parsed_schema(as_manifest).misfit(row)
    if misfit is None:
        assert json.loads(payload("json", schema, row)) == row
    else:
        text = cause("json", schema, {"input": row})
        assert text.startswith("`input")
        assert text.endswith(" was expected") or " is unknown; the fields are " in text
