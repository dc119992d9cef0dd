"""Model folders: DataFrameModel and TensorModel, what they are given and what becomes of what they return."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from harness.container_client import connected
from harness.container_process import running_container, source_folder
from skysail_container.batch_execution import run_batch
from skysail_container.batch_output import BatchOutput
from skysail_container.data_frames import DataFrames
from skysail_container.errors import ModelLoadError
from skysail_container.input_schema import InputSchema, parsed_schema
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.output_values import json_values
from skysail_container.tensors import Tensors
from skysail_container.warm_up import rows_of_json

FRAME = "from skysail_container.model_folder import DataFrameModel\nimport pandas as pd\n"
TENSOR = "from skysail_container.model_folder import TensorModel\nimport numpy as np\n"
PREDICTS = "    def predict(self, frame): return frame['a']\n"


def schema(*fields: tuple[str, str], optional: tuple[str, ...] = (), **shapes: list[int]) -> dict[str, Any]:
    return {
        "fields": [
            {"name": name, "type": kind, "shape": shapes.get(name, []), "optional": name in optional}
            for name, kind in fields
        ]
    }


def parsed(*fields: tuple[str, str], optional: tuple[str, ...] = (), **shapes: list[int]) -> InputSchema:
    return parsed_schema(schema(*fields, optional=optional, **shapes))


def loaded(folder: Path, source: str, **manifest: Any) -> Model:
    source_folder(folder, source, **manifest)
    return load_model(folder, read_manifest(folder))


def ran(model: Model, *rows: Any) -> BatchOutput:
    return run_batch(model, rows_of_json(rows, "json"), lambda: True)


def outputs(model: Model, *rows: Any) -> list[Any]:
    output = ran(model, *rows)
    assert not output.errors
    return json_values(output.rows)


def test_a_frame_has_the_schemas_columns_in_its_order_with_its_dtypes() -> None:
    kinds = parsed(("b", "number"), ("a", "integer"), ("c", "boolean"), ("d", "string"), ("e", "any"))
    frame = DataFrames(kinds).frame([{"a": 1, "b": 2, "c": True, "d": "x", "e": [1]}])
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "b": "float64",
        "a": "int64",
        "c": "bool",
        "d": "str",
        "e": "object",
    }
    assert list(frame.columns) == ["b", "a", "c", "d", "e"]


def test_optional_columns_have_one_dtype_whether_a_value_is_missing_or_not() -> None:
    names = ("a", "b", "c", "d")
    frames = DataFrames(parsed(("a", "integer"), ("b", "number"), ("c", "boolean"), ("d", "string"), optional=names))
    full = frames.frame([{"a": 2**60 + 1, "b": 2.5, "c": False, "d": "x"}])
    holes = frames.frame([{"a": None, "c": None}, {"a": 2**60 + 1, "b": 2.5, "c": False, "d": "x"}])
    assert list(map(str, full.dtypes)) == list(map(str, holes.dtypes)) == ["Int64", "float64", "boolean", "str"]
    assert holes.iloc[0].isna().all()
    assert holes["a"][1] == 2**60 + 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"a": 1.5}, "field 'a': an integer is expected, this is 1.5"),
        ({"a": "1"}, "field 'a': an integer is expected, this is '1'"),
        ({"a": None}, "field 'a' is missing or null"),
        ({}, "field 'a' is missing or null"),
        ({"a": 2**70}, "field 'a': Python int"),
        ({"a": 1, "z": 1}, "there is no field 'z'"),
        (7, "an object with the fields a is expected"),
    ],
)
def test_a_row_that_does_not_fit_fails_alone(tmp_path: Path, row: object, said: str) -> None:
    source = FRAME + "class M(DataFrameModel):\n" + PREDICTS
    model = loaded(tmp_path / "m", source, input_schema=schema(("a", "integer")))
    output = ran(model, {"a": 1}, row, {"a": 3.0})
    assert output.errors is not None
    assert list(output.errors) == [1]
    assert said in output.errors[1]
    values = json_values(output.rows)
    assert (values[0], values[2]) == (1, 3)


def test_without_a_schema_a_frame_is_what_pandas_makes_of_the_rows() -> None:
    frames = DataFrames(None)
    assert list(frames.frame([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]).columns) == ["x", "y"]
    assert frames.frame(np.arange(6.0).reshape(2, 3)).shape == (2, 3)
    assert frames.frame([[1, 2], [3, 4]]).shape == (2, 2)
    assert list(frames.frame(["a", "b"])["input"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (
            "pd.DataFrame({'p': frame['a'] * 2, 'label': ['x', None]})",
            [{"p": 2, "label": "x"}, {"p": 4, "label": None}],
        ),
        ("frame['a'] / 2", [0.5, 1.0]),
        ("(frame['a'] / 2).to_numpy()", [0.5, 1.0]),
        ("[{'z': 1}, 2]", [{"z": 1}, 2]),
        ("pd.Series(['u', 'v'])", ["u", "v"]),
        ("pd.array([None, 3], dtype='Int64').to_numpy(object, na_value=None)", [None, 3]),
        ("pd.DataFrame({'n': pd.array([None, 3], dtype='Int64')})", [{"n": None}, {"n": 3}]),
        ("pd.DataFrame({'t': pd.to_datetime(['2026-01-02', None])})", [{"t": "2026-01-02T00:00:00"}, {"t": None}]),
        ("pd.DataFrame({'l': [[1, 2], [3]]}, index=[7, 7])", [{"l": [1, 2]}, {"l": [3]}]),
        ("pd.Series([1.5, None])", [1.5, None]),
    ],
)
def test_what_a_frame_model_returns_becomes_one_output_per_row(
    tmp_path: Path, returned: str, expected: list[Any]
) -> None:
    source = FRAME + f"class M(DataFrameModel):\n    def predict(self, frame): return {returned}\n"
    model = loaded(tmp_path / "m", source, input_schema=schema(("a", "integer")))
    got = outputs(model, {"a": 1}, {"a": 2})
    assert [None if value != value else value for value in got] == expected


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("pd.DataFrame(index=frame.index)", "without columns"),
        ("pd.DataFrame([[1, 2]] * 2, columns=['a', 'a'])", "two columns of one name"),
        ("frame[:1]", "returned 1 outputs for 2 rows"),
        ("1", "returned a int"),
    ],
)
def test_a_frame_that_is_not_one_output_per_row_fails_its_batch(tmp_path: Path, returned: str, said: str) -> None:
    source = FRAME + f"class M(DataFrameModel):\n    def predict(self, frame): return {returned}\n"
    output = ran(loaded(tmp_path / "m", source), {"a": 1}, {"a": 2})
    assert output.errors is not None
    assert said in output.errors[0]


def test_tensors_have_the_schemas_dtypes_and_shapes() -> None:
    fields = (("i", "integer"), ("m", "number"), ("s", "string"), ("o", "integer"), ("x", "any"))
    kinds = parsed(*fields, optional=("o",), m=[2, -1])
    rows = [{"i": 1, "m": [[1], [2]], "s": "a", "o": None, "x": {"k": 1}}, {"i": 2, "m": [[3], [4]], "s": "b", "x": 1}]
    arrays = Tensors(kinds).arrays(rows)
    assert {name: (str(array.dtype), array.shape) for name, array in arrays.items()} == {
        "i": ("int64", (2,)),
        "m": ("float64", (2, 2, 1)),
        "s": ("object", (2,)),
        "o": ("float64", (2,)),
        "x": ("object", (2,)),
    }
    assert np.isnan(arrays["o"]).all()


def test_rows_that_are_no_objects_are_the_one_input() -> None:
    assert Tensors(None).arrays(np.ones((2, 3)))["input"].shape == (2, 3)
    assert Tensors(None).arrays(["a", "bc"])["input"].tolist() == ["a", "bc"]
    assert Tensors(None).arrays([{"a": [1, 2]}, {"a": [3, 4]}])["a"].shape == (2, 2)


TWO_OUTPUTS = """
class M(TensorModel):
    def __init__(self, folder):
        self.scale = float((folder / "scale.txt").read_text())

    def predict(self, inputs):
        return {"product": inputs["a"] * self.scale, "shape": np.stack([inputs["a"], inputs["a"]], axis=1)}
"""


def test_several_tensors_become_an_object_and_a_sole_one_the_output_itself(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "scale.txt").write_text("2.5")
    assert outputs(loaded(folder, TENSOR + TWO_OUTPUTS), {"a": 2}, {"a": 4}) == [
        {"product": 5.0, "shape": [2, 2]},
        {"product": 10.0, "shape": [4, 4]},
    ]
    sole = TENSOR + "class M(TensorModel):\n    def predict(self, inputs): return {'y': inputs['a'] * 2}\n"
    assert outputs(loaded(tmp_path / "sole", sole), {"a": 2}) == [4]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("inputs['a']", "returned a ndarray, not a dict of named arrays"),
        ("{}", "returned a dict, not a dict of named arrays"),
        ("{'y': np.zeros(3)}", "output 'y' has the shape [3] for 2 rows"),
    ],
)
def test_tensors_that_are_not_one_row_each_fail_their_batch(tmp_path: Path, returned: str, said: str) -> None:
    source = TENSOR + f"class M(TensorModel):\n    def predict(self, inputs): return {returned}\n"
    output = ran(loaded(tmp_path / "m", source), {"a": 1}, {"a": 2})
    assert output.errors is not None
    assert said in output.errors[0]


CHOOSING = {
    "frames": FRAME + "class M(DataFrameModel):\n    def predict(self, frame): return frame.assign(b=frame['a'] * 2)\n",
    "tensors": TENSOR + "class M(TensorModel):\n    def predict(self, i): return {'a': i['a'], 'b': i['a'] * 2}\n",
    "class": "class Model:\n    def __init__(self, f): pass\n    def predict(self, rows): return predicted(rows)\n"
    "def predicted(rows): return [{'b': row['a'] * 2, 'a': row['a']} for row in rows]\n",
    "function": "def predict(rows): return [{'b': row['a'] * 2, 'a': row['a']} for row in rows]\n",
}


@pytest.mark.parametrize("kind", CHOOSING)
def test_chosen_outputs_are_the_answer_a_sole_one_by_itself(tmp_path: Path, kind: str) -> None:
    rows = ({"a": 1}, {"a": 3})
    sole = loaded(tmp_path / "sole", CHOOSING[kind], outputs=["b"])
    assert outputs(sole, *rows) == [2, 6]
    several = loaded(tmp_path / "several", CHOOSING[kind], outputs=["b", "a"])
    assert [list(output.items()) for output in outputs(several, *rows)] == [[("b", 2), ("a", 1)], [("b", 6), ("a", 3)]]
    unknown = ran(loaded(tmp_path / "unknown", CHOOSING[kind], outputs=["c"]), *rows)
    assert unknown.errors is not None
    assert re.search(r"outputs: 'c' is not one of the model's: '[ab]', '[ab]'", unknown.errors[0])


def test_a_row_without_the_chosen_output_fails_alone(tmp_path: Path) -> None:
    source = "def predict(rows): return [{'y': 1}, {'z': 2}, 3, ValueError('no'), {'y': 4, 'z': 5}]\n"
    output = ran(loaded(tmp_path / "m", source, outputs=["y"]), *[{}] * 5)
    assert output.errors is not None
    assert list(output.errors) == [1, 2, 3]
    assert "'y' is not one of the model's: 'z'" in output.errors[1]
    assert "the model answers with type int; to choose outputs by name" in output.errors[2]
    assert "no" in output.errors[3]
    values = json_values(output.rows)
    assert (values[0], values[4]) == (1, 4)


def test_an_array_has_no_outputs_to_choose(tmp_path: Path) -> None:
    source = "import numpy as np\ndef predict(rows): return np.zeros(len(rows))\n"
    output = ran(loaded(tmp_path / "m", source, outputs=["y"]), {}, {})
    assert output.errors is not None
    assert "outputs: the model returned type ndarray" in output.errors[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\n", "defines neither a class that derives from DataFrameModel"),
        ("class Model: pass\n", "the class Model in model.py has no method predict"),
        (FRAME + "class M(DataFrameModel): pass\n", "the class M in model.py has no method predict"),
        (
            FRAME + "class A(DataFrameModel):\n" + PREDICTS + "class B(DataFrameModel):\n" + PREDICTS,
            "model.py defines several models (A, B): call the one to be served Model",
        ),
        ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("def predict(rows\n", "SyntaxError"),
        ("import no_such_library\n", "needs the module 'no_such_library'"),
        (FRAME + "class M(DataFrameModel):\n    def __init__(self): pass\n" + PREDICTS, "TypeError"),
    ],
)
def test_a_model_py_without_a_model_says_what_is_wrong(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ModelLoadError) as caught:
        loaded(tmp_path / "m", source)
    assert said in str(caught.value)


def test_the_class_called_model_goes_before_others_and_bases_do_not_count(tmp_path: Path) -> None:
    source = FRAME + "class Base(DataFrameModel):\n" + PREDICTS + "class Leaf(Base):\n    pass\n"
    assert outputs(loaded(tmp_path / "leaf", source), {"a": 1}) == [1]
    source += "class Model(DataFrameModel):\n    def predict(self, frame): return frame['a'] + 10\n"
    assert outputs(loaded(tmp_path / "named", source), {"a": 1}) == [11]


PRICES = """
import joblib
import numpy as np
import pandas as pd
from skysail_container.model_folder import DataFrameModel

CITIES = {"Lund": 0, "Visby": 1}

class Prices(DataFrameModel):
    def __init__(self, folder):
        self.tree = joblib.load(folder / "tree.joblib")

    def predict(self, frame):
        columns = [frame["rooms"], frame["area"], frame["city"].map(CITIES)]
        return pd.DataFrame({"price": self.tree.predict(np.column_stack(columns))})
"""


def fitted_prices() -> tuple[Any, pd.DataFrame, list[float]]:
    random = np.random.default_rng(7)
    columns = [random.integers(1, 9, 1000), random.normal(90.0, 30.0, 1000), random.integers(0, 2, 1000)]
    numbers = np.column_stack(columns)
    tree = DecisionTreeRegressor(random_state=0).fit(numbers, random.normal(size=1000))
    frame = pd.DataFrame({"rooms": columns[0], "area": columns[1], "city": np.array(["Lund", "Visby"])[columns[2]]})
    return tree, frame, tree.predict(numbers).tolist()


def test_a_served_model_over_frames_equals_its_own_outputs_bit_for_bit(tmp_path: Path) -> None:
    import joblib

    tree, frame, expected = fitted_prices()
    folder = tmp_path / "model"
    folder.mkdir()
    joblib.dump(tree, folder / "tree.joblib")
    fields = schema(("rooms", "integer"), ("area", "number"), ("city", "string"))
    source_folder(folder, PRICES, input_schema=fields, input_type="json")
    rows = frame.to_dict("records")
    lines = [{"input": row, "output": {"price": price}} for row, price in list(zip(rows, expected, strict=True))[:20]]
    (folder / "validation.jsonl").write_text("\n".join([json.dumps({"tolerance": 0}), *map(json.dumps, lines)]))
    with running_container(folder) as container:
        assert "20 rows of validation.jsonl passed, 20 of them with expected outputs" in container.log
        with connected(container.address) as client:
            for n_rows in (1, 2, 7, 64):
                got: list[Any] = []
                for start in range(0, len(rows), n_rows):
                    result = client.predict(rows_of_json(rows[start : start + n_rows], "json"))
                    got += json_values(result.outputs)
                assert [row["price"] for row in got] == expected
