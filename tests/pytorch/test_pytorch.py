"""TorchScript and exported programs: what is served is what PyTorch itself answers. Run by `make test-torch`."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.container_client import connected
from harness.container_process import manifest_folder, source_folder, started_container
from harness.framework_rows import BATCH_SIZES, batches, dense_answers, json_answers, random_rows, rows_of
from skysail_admin.errors import InvalidRequestError
from skysail_admin.packing.artifact import packed
from skysail_container.errors import ManifestError, ModelLoadError
from skysail_container.loaders.registry import load_model
from skysail_container.manifest import read_manifest
from skysail_container.model import Model
from skysail_container.wire import Dense

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")

FORMS = ("script", "exported")


class Classifier(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # PyTorch is not there when types are checked
    """From 30 features to 3 probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(30, 64)
        self.last = torch.nn.Linear(64, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.last(torch.relu(self.hidden(features))), dim=1)


class TwoArmed(torch.nn.Module):  # type: ignore[misc, unused-ignore]  # as above
    """Two named inputs, one of them of integers, and two named outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.places = torch.nn.Embedding(10, 4)

    def forward(self, place: torch.Tensor, weights: torch.Tensor) -> dict[str, torch.Tensor]:
        vectors = self.places(place)
        return {"weighted": vectors * weights, "total": vectors.sum(1)}


def seeded(module_class: type[torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(4)
    return module_class().eval()


EXAMPLES: dict[type[torch.nn.Module], tuple[torch.Tensor, ...]] = {
    Classifier: (torch.zeros(2, 30),),
    TwoArmed: (torch.zeros(2, dtype=torch.int64), torch.zeros(2, 4)),
}


def artifact_of(module: torch.nn.Module, form: str) -> Any:
    if form == "script":
        return torch.jit.script(module)
    example = EXAMPLES[type(module)]
    batch = torch.export.Dim("batch")
    return torch.export.export(module, example, dynamic_shapes=tuple({0: batch} for _ in example))


def deployed(module: torch.nn.Module, form: str, folder: Path) -> Path:
    """The model folder that deploying the module makes."""
    with packed(artifact_of(module, form), "tensor") as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(folder)
    return folder


def loaded(folder: Path) -> Model:
    return load_model(folder, read_manifest(folder))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("torch")
    return {form: deployed(seeded(Classifier), form, folder / form) for form in FORMS}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", BATCH_SIZES)
def test_outputs_are_bit_for_bit_those_of_pytorch(folders: dict[str, Path], form: str, size: int) -> None:
    rows, module = random_rows(30), seeded(Classifier)
    model = loaded(folders[form])
    with torch.inference_mode():
        own = np.concatenate([module(torch.from_numpy(part)).numpy() for part in batches(rows, size)])
    assert np.array_equal(dense_answers(model, rows, size), own)


@pytest.mark.parametrize("form", FORMS)
def test_doubles_are_converted_to_the_dtype_of_the_weights(folders: dict[str, Path], form: str) -> None:
    model, rows = loaded(folders[form]), random_rows(30, dtype="<f8")
    assert np.array_equal(dense_answers(model, rows, 64), dense_answers(model, rows.astype("<f4"), 64))


@pytest.mark.parametrize("form", FORMS)
def test_named_inputs_and_outputs_go_by_their_names(tmp_path: Path, form: str) -> None:
    module = seeded(TwoArmed)
    weights, places = random_rows(4), np.random.default_rng(4).integers(0, 10, 1024)
    model = loaded(deployed(module, form, tmp_path))
    answers = json_answers(
        model, [{"weights": w.tolist(), "place": int(p)} for w, p in zip(weights, places, strict=True)]
    )
    with torch.inference_mode():
        own = module(torch.from_numpy(places), torch.from_numpy(weights))
    for name, tensor in own.items():
        assert np.array_equal(np.array([answer[name] for answer in answers], "<f4"), tensor.numpy())


def test_an_exported_program_knows_a_row_to_warm_up_with(folders: dict[str, Path]) -> None:
    assert loaded(folders["exported"]).example_rows("floats") == Dense("<f4", (1, 30), bytes(120))
    assert loaded(folders["script"]).example_rows("floats") is None


def test_a_chosen_output_is_the_answer_itself(tmp_path: Path) -> None:
    folder = deployed(seeded(TwoArmed), "exported", tmp_path)
    manifest_folder(folder, "pytorch", "model.pt2", {"outputs": ["total"]})
    assert np.asarray(loaded(folder).predict([{"place": 1, "weights": [1, 2, 3, 4]}])).shape == (1,)
    manifest_folder(folder, "pytorch", "model.pt2", {"outputs": ["sum"]})
    with pytest.raises(ManifestError, match=r"outputs: 'sum' is not one of the model's: "):
        loaded(folder)


def test_threads_are_those_of_the_manifest(folders: dict[str, Path], tmp_path: Path) -> None:
    loaded(folders["exported"])
    assert torch.get_num_threads() == 1
    folder = deployed(seeded(Classifier), "exported", tmp_path)
    manifest_folder(folder, "pytorch", "model.pt2", {"threads": 2})
    loaded(folder)
    assert torch.get_num_threads() == 2


def test_a_fixed_number_of_rows_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(seeded(Classifier), EXAMPLES[Classifier]), tmp_path / "model.pt2")
    with pytest.raises(ModelLoadError, match=r"'features' has the shape \[2, 30\].*dynamic_shapes="):
        loaded(manifest_folder(tmp_path, "pytorch", "model.pt2", {}))


@pytest.mark.parametrize("content", ["garbage", "weights", "cut"])
def test_what_is_no_program_is_refused(tmp_path: Path, folders: dict[str, Path], content: str) -> None:
    path = tmp_path / "model.pt"
    if content == "weights":
        torch.save(seeded(Classifier).state_dict(), path)
    else:
        whole = (folders["script"] / "model.pt").read_bytes()
        path.write_bytes(b"garbage" if content == "garbage" else whole[: len(whole) // 2])
    text = "neither TorchScript nor an exported program" if content == "weights" else "or is damaged"
    with pytest.raises(ModelLoadError, match=text):
        loaded(manifest_folder(tmp_path, "pytorch", "model.pt", {}))
    with (
        pytest.raises(InvalidRequestError, match="without code" if content == "weights" else "or is damaged"),
        packed(path, "floats"),
    ):
        pass


@pytest.mark.parametrize("form", FORMS)
def test_packing_the_same_module_again_gives_the_same_artifact(form: str) -> None:
    hashes = set()
    for _ in range(2):
        with packed(artifact_of(seeded(Classifier), form), "floats") as artifact:
            hashes.add(artifact.sha256)
    assert len(hashes) == 1


def test_a_plain_module_is_refused_with_what_to_do() -> None:
    with (
        pytest.raises(InvalidRequestError, match=r"a Classifier is a module whose code does not .*torch\.export\.save"),
        packed(seeded(Classifier), "floats"),
    ):
        pass


@pytest.mark.parametrize("file", ["model.pt", "model.pt2"])
def test_a_file_is_packed_as_it_is(folders: dict[str, Path], file: str) -> None:
    folder = folders["script" if file == "model.pt" else "exported"]
    with packed(folder / file, "floats") as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert archive.read(file) == (folder / file).read_bytes()
        assert json.loads(archive.read("skysail.json"))["framework"] == "pytorch"


FOLDER_MODEL = """
import torch

class Model:
    def __init__(self, folder):
        self.module = torch.nn.Linear(30, 1)
        self.module.load_state_dict(torch.load(folder + "/weights.pt", weights_only=True))

    def predict(self, rows):
        with torch.inference_mode():
            return self.module(torch.from_numpy(rows)).numpy()
"""


def test_a_module_with_its_code_is_a_model_folder(tmp_path: Path) -> None:
    torch.manual_seed(4)
    module, rows = torch.nn.Linear(30, 1), random_rows(30)
    folder = source_folder(tmp_path / "model", FOLDER_MODEL)
    torch.save(module.state_dict(), folder / "weights.pt")
    with torch.inference_mode():
        own = np.concatenate([module(torch.from_numpy(part)).numpy() for part in batches(rows, 64)])
    assert np.array_equal(dense_answers(loaded(folder), rows, 64), own)


@pytest.mark.parametrize("form", FORMS)
def test_a_container_answers_what_pytorch_answers(folders: dict[str, Path], form: str) -> None:
    rows, module = random_rows(30), seeded(Classifier)
    torch.set_num_threads(1)
    with (
        started_container(folders[form], "--input-type=tensor") as container,
        connected(container.wait_ready(80).address) as client,
    ):
        for size in BATCH_SIZES:
            for part in list(batches(rows, size))[:3]:
                with torch.inference_mode():
                    own = module(torch.from_numpy(part)).numpy()
                assert client.predict(rows_of(part)).outputs == rows_of(own)


def test_the_code_of_the_page_makes_models_that_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models" / "pytorch.md").read_text()
    program, folder_model = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102  # the page's own code is what is tested
    with packed(tmp_path / "model.pt2", "floats") as artifact, zipfile.ZipFile(artifact.path) as archive:
        archive.extractall(tmp_path / "program")
    rows = random_rows(4)
    assert dense_answers(loaded(tmp_path / "program"), rows, 64).shape == (len(rows), 1)
    folder = source_folder(tmp_path / "folder", folder_model)
    torch.save(torch.nn.Linear(4, 1).state_dict(), folder / "weights.pt")
    assert dense_answers(loaded(folder), rows, 64).shape == (len(rows), 1)
