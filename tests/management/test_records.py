"""Names, input types and the views of the registry."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.registry_samples import a_model, a_replica, a_version, an_application
from skysail_management.records import (
    Application,
    Entry,
    EntryKind,
    InputField,
    InputSchema,
    InputType,
    Link,
    Record,
    Snapshot,
    canonical_input_type,
    is_name,
    record_key,
)
from skysail_management.registry_json import decode_change, decode_snapshot, encode_record


@pytest.mark.parametrize(
    ("input_type", "accepted"),
    [
        (InputType.INTEGERS, "integers ints integer int i"),
        (InputType.FLOATS, "floats float f"),
        (InputType.DOUBLES, "doubles double d"),
        (InputType.STRINGS, "strings string str strs s"),
        (InputType.BYTES, "bytes byte b"),
        (InputType.JSON, "json record dataframe"),
        (InputType.TENSOR, "tensor ndarray"),
    ],
)
def test_every_name_clipper_accepts_means_its_input_type(input_type: InputType, accepted: str) -> None:
    assert {canonical_input_type(text) for text in accepted.split()} == {input_type}


def test_an_unknown_input_type_says_which_are_known_and_what_came() -> None:
    with pytest.raises(ValueError, match=r"expected one of integers, floats, .* got 'complex'"):
        canonical_input_type("complex")


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "x" * 63])
def test_names_within_the_pattern_are_taken(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "A", ".a", "-a", "a b", "a:b", "a,b", "a/b", "x" * 64, "a\n", "ä", "a\x00"])
def test_names_outside_the_pattern_are_not(name: str) -> None:
    assert not is_name(name)


def test_a_record_with_a_bad_name_cannot_be_decoded() -> None:
    body = encode_record(an_application("app")).replace(b'"app"', b'"app\\n"')
    with pytest.raises(msgspec.ValidationError, match="name"):
        msgspec.json.decode(body, type=Application)


def test_entries_put_and_delete_records_of_every_kind() -> None:
    records: list[Record] = [an_application(), a_model(), a_version(), a_replica()]
    full = Snapshot("r", 1).with_entries([Entry.put(record) for record in records], 2)
    assert (full.revision, list(full.applications), list(full.models)) == (2, ["app"], ["m"])
    assert (list(full.versions), list(full.replicas)) == ([("m", "1")], [("m", "1", 0)])
    empty = full.with_entries([Entry.delete(record) for record in records], 3)
    assert empty == Snapshot("r", 3)
    assert len(full.replicas) == 1, "a snapshot is not changed by what follows it"


def test_a_record_survives_its_json() -> None:
    for kind, record in (("application", an_application(default_output={"a": [None, "ü", 1.5]})), ("model", a_model())):
        snapshot = decode_snapshot("r", 1, {kind: {record_key(record).encode(): encode_record(record)}})  # type: ignore[dict-item]  # kinds are literals
        assert snapshot.corrupt == []
        assert record in [*snapshot.applications.values(), *snapshot.models.values()]


def decoded(kind: EntryKind, body: bytes) -> Snapshot:
    return decode_snapshot("r", 1, {kind: {b"x": body}})


def test_records_stored_before_there_was_a_choice_load_with_the_defaults() -> None:
    stored_application = (
        b'{"name":"x","input_type":"doubles","default_output":-1.0,"latency_slo_micros":100000,'
        b'"links":[{"model":"m","role":"primary","weight":1.0}],"created_at":"2026-01-01T12:00:00Z","schema":1}'
    )
    stored_model = (
        b'{"name":"x","input_type":"doubles","current_version":"1","next_version":null,'
        b'"created_at":"2026-01-01T12:00:00Z","schema":1}'
    )
    application = decoded("application", stored_application).applications["x"]
    assert application == an_application("x", links=(Link("m"),))
    assert (application.fallback_model, application.priority, application.cache) == (None, "normal", True)
    model = decoded("model", stored_model).models["x"]
    assert model == a_model("x", current_version="1")
    assert (model.batch_policy, model.max_batch_rows, model.batch_delay_micros) == ("deadline", None, 0)


def test_the_choices_of_an_application_and_a_model_survive_their_json() -> None:
    application = an_application("x", fallback_model="small", priority="high", cache=False)
    assert decoded("application", encode_record(application)).applications == {"x": application}
    model = a_model("x", batch_policy="fixed", max_batch_rows=4_096, batch_delay_micros=1_000_000)
    assert decoded("model", encode_record(model)).models == {"x": model}


def test_a_version_stored_before_there_were_schemas_loads_with_the_defaults() -> None:
    stored = (
        b'{"model":"m","version":"1","input_type":"doubles","artifact":null,"labels":[],"container_image":null,'
        b'"model_data_path":null,"batch_size":-1,"n_replicas":1,"state":"starting","reason":"",'
        b'"created_at":"2026-01-01T12:00:00Z","schema":1}'
    )
    version = decode_snapshot("r", 1, {"version": {b"m:1": stored}}).versions["m", "1"]
    assert version == a_version()
    assert (version.input_schema, version.notes, version.served_by, version.memory_limit_mb) == (None, (), "", None)


@pytest.mark.parametrize(
    "schema",
    [
        InputSchema(fields=(InputField("age", "integer"), InputField("scan", "number", (2, -1), optional=True))),
        InputSchema(fields=()),
        InputSchema(type="number", shape=(30,)),
        InputSchema(type="string"),
    ],
)
def test_what_is_known_of_a_version_survives_its_json(schema: InputSchema) -> None:
    version = a_version(input_schema=schema, notes=("one", "two"), served_by="onnxruntime 1.31", memory_limit_mb=512)
    assert decode_snapshot("r", 1, {"version": {b"m:1": encode_record(version)}}).versions == {("m", "1"): version}


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (b'{"fields":[{"name":"a","type":"complex"}]}', "fields[0].type"),
        (b'{"fields":[{"name":"a","type":"number"},{"name":"a","type":"number"}]}', "'a' is there twice"),
        (b'{"fields":[{"name":"a","type":"number","shape":[-2]}]}', "fields[0].shape[0]"),
        (b'{"fields":[],"type":"number"}', "either fields, or type and shape"),
        (b"{}", "either fields, or type and shape"),
    ],
)
def test_a_stored_schema_that_nobody_can_have_made_is_corrupt(schema: bytes, named: str) -> None:
    body = encode_record(a_version()).replace(b'"input_schema":null', b'"input_schema":' + schema)
    snapshot = decode_snapshot("r", 1, {"version": {b"m:1": body}})
    assert snapshot.versions == {}
    assert named in snapshot.corrupt[0]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("application", "fallback_model", '"a b"'),
        ("application", "priority", '"urgent"'),
        ("application", "cache", '"yes"'),
        ("model", "batch_policy", '"greedy"'),
        ("model", "batch_policy", '"fixed"'),
        ("model", "max_batch_rows", "0"),
        ("model", "max_batch_rows", "4097"),
        ("model", "batch_delay_micros", "-1"),
        ("model", "batch_delay_micros", "1000001"),
    ],
)
def test_a_stored_choice_that_nobody_can_have_made_is_corrupt(kind: EntryKind, field: str, value: str) -> None:
    record: Record = an_application("x") if kind == "application" else a_model("x")
    body = msgspec.json.decode(encode_record(record), type=dict[str, msgspec.Raw])
    body[field] = msgspec.Raw(value.encode())
    snapshot = decoded(kind, msgspec.json.encode(body))
    assert (snapshot.applications, snapshot.models) == ({}, {})
    assert len(snapshot.corrupt) == 1
    assert ("max_batch_rows" if value == '"fixed"' else field) in snapshot.corrupt[0]


@given(st.binary(max_size=60))
def test_random_bytes_are_never_a_change_and_never_crash(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode_change(body)


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=60), max_size=5))
def test_random_bytes_in_the_hashes_are_named_and_left_out(fields: dict[bytes, bytes]) -> None:
    snapshot = decode_snapshot("r", 7, {"application": fields, "replica": fields})
    assert (snapshot.applications, snapshot.replicas) == ({}, {})
    assert len(snapshot.corrupt) == 2 * len(fields)
