import json
import os
import socket
import zipfile
from pathlib import Path

import pytest

from skysail_admin import InvalidRequestError
from skysail_admin.packing.artifact import packed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.py").write_text("def predict(rows):\n    return [0 for row in rows]\n")
    return made


def names_in(folder: Path) -> list[str]:
    with packed(folder, "doubles") as artifact, zipfile.ZipFile(artifact.path) as archive:
        return archive.namelist()


def sha256_of(folder: Path) -> str:
    with packed(folder, "doubles") as artifact:
        return artifact.sha256


def test_a_folder_without_a_manifest_gets_one(folder: Path) -> None:
    with packed(str(folder), "double") as artifact, zipfile.ZipFile(artifact.path) as archive:
        manifest = json.loads(archive.read("skysail.json"))
    assert manifest["framework"] == "folder"
    assert manifest["file"] == "model.py"
    assert manifest["input_type"] == "doubles"


def test_a_folders_own_manifest_is_kept(folder: Path) -> None:
    own = {"format": 1, "framework": "folder", "file": "model.py", "warm_up_rows": [[1.0]]}
    (folder / "skysail.json").write_text(json.dumps(own))
    with packed(folder, "doubles") as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert json.loads(archive.read("skysail.json")) == own


def test_outputs_are_chosen_from_a_model_folder(folder: Path) -> None:
    with packed(folder, "doubles", outputs=["y"]) as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert json.loads(archive.read("skysail.json"))["outputs"] == ["y"]


@pytest.mark.parametrize("framework", ["sklearn", "python", "xgboost"])
def test_outputs_in_the_manifest_of_a_framework_that_names_none_are_refused(folder: Path, framework: str) -> None:
    own = {"format": 1, "framework": framework, "file": "model.py", "outputs": ["y"]}
    (folder / "skysail.json").write_text(json.dumps(own))
    with pytest.raises(InvalidRequestError, match=f"a model of {framework} has no outputs to choose") as refused:
        names_in(folder)
    assert refused.value.field == "outputs"


def test_the_same_files_give_the_same_artifact_whatever_their_order_and_times(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name)
    for name in ("b.txt", "a.txt"):
        (other / name).write_text(name)
        os.utime(other / name, (1, 1))
    (other / "model.py").write_bytes((folder / "model.py").read_bytes())
    assert sha256_of(folder) == sha256_of(other)


def test_a_changed_byte_gives_another_artifact(folder: Path) -> None:
    before = sha256_of(folder)
    (folder / "model.py").write_text("def predict(rows):\n    return [1 for row in rows]\n")
    assert sha256_of(folder) != before


def test_what_belongs_to_tools_is_left_out(folder: Path) -> None:
    for junk in (".git", "__pycache__", ".venv", "sub/.ipynb_checkpoints", "environment"):
        (folder / junk).mkdir(parents=True)
        (folder / junk / "file").write_text("junk")
    (folder / "environment" / "pyvenv.cfg").write_text("home = /usr")
    (folder / "model.pyc").write_text("junk")
    (folder / "sub" / "weights.bin").write_bytes(b"\0" * 10)
    assert names_in(folder) == ["model.py", "skysail.json", "sub/weights.bin"]


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "data").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidRequestError, match="outside the model's folder"):
        names_in(folder)


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "weights-1.bin").write_bytes(b"weights")
    (folder / "latest.bin").symlink_to("weights-1.bin")
    with packed(folder, "doubles") as artifact, zipfile.ZipFile(artifact.path) as archive:
        assert archive.read("latest.bin") == b"weights"


def test_a_link_to_nothing_is_refused(folder: Path) -> None:
    (folder / "latest.bin").symlink_to("gone.bin")
    with pytest.raises(InvalidRequestError, match="link to nothing"):
        names_in(folder)


def test_a_link_to_a_folder_around_it_is_refused(folder: Path) -> None:
    (folder / "again").symlink_to(folder, target_is_directory=True)
    with pytest.raises(InvalidRequestError, match="link to a folder that contains it"):
        names_in(folder)


def test_a_socket_in_the_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        with pytest.raises(InvalidRequestError, match="is not a file"):
            names_in(folder)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [("{", "is not JSON"), ("[]", "does not hold a JSON object"), ('{"file": "gone.py"}', "not in the folder")],
)
def test_a_wrong_manifest_is_refused_before_anything_is_sent(folder: Path, manifest: str, said: str) -> None:
    (folder / "skysail.json").write_text(manifest)
    with pytest.raises(InvalidRequestError, match=said):
        names_in(folder)


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"no model\.py .* and no skysail\.json"):
        names_in(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="is not a folder"):
        names_in(tmp_path / "gone")


def test_an_executable_file_stays_executable_and_nothing_else_of_its_mode_is_kept(folder: Path) -> None:
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    (folder / "model.py").chmod(0o600)
    with packed(folder, "doubles") as artifact, zipfile.ZipFile(artifact.path) as archive:
        modes = {info.filename: oct(info.external_attr >> 16 & 0o777) for info in archive.infolist()}
    assert modes == {"run.sh": "0o755", "model.py": "0o644", "skysail.json": "0o644"}


def test_an_unknown_input_type_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(InvalidRequestError, match="integers, floats, doubles"), packed(folder, "complex"):
        pass
