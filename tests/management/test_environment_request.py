"""What a folder asks for, and what makes two requests different."""

import json
from pathlib import Path

import pytest

from harness.environment_launcher import model_folder
from skysail_management.environment_packages import missing_packages, package_names
from skysail_management.environment_python import interpreter_of, running_version
from skysail_management.environment_request import (
    EnvironmentRequest,
    asks_for_environment,
    read_request,
    runtime_requirements,
)
from skysail_management.errors import EnvironmentBuildError


def request_of(folder: Path, files: dict[str, str]) -> EnvironmentRequest:
    return read_request(model_folder(folder, files), may_name_indexes=False)


def digest_of(folder: Path, **files: str) -> str:
    named = {name.replace("_txt", ".txt").replace("_sh", ".sh"): text for name, text in files.items()}
    return request_of(folder, named).digest(["numpy>=1.26"])


def test_a_plain_folder_asks_for_nothing(tmp_path: Path) -> None:
    assert not asks_for_environment(model_folder(tmp_path / "a", {}))
    assert asks_for_environment(model_folder(tmp_path / "b", {"packages.txt": "bash"}))
    assert not request_of(tmp_path / "c", {"packages.txt": "bash"}).needs_virtualenv
    assert request_of(tmp_path / "d", {"requirements.txt": ""}).needs_virtualenv
    assert request_of(tmp_path / "e", {"setup.sh": "true"}).needs_virtualenv


def test_comments_and_other_models_make_no_other_environment(tmp_path: Path) -> None:
    assert digest_of(tmp_path / "a", requirements_txt="numpy==2.1.3\n") == digest_of(
        tmp_path / "b", requirements_txt="# mine\nnumpy==2.1.3  # new\n"
    )


def test_requirements_and_the_runtime_make_another_one(tmp_path: Path) -> None:
    numpy = digest_of(tmp_path / "a", requirements_txt="numpy==2.1.3")
    assert numpy != digest_of(tmp_path / "b", requirements_txt="numpy==2.1.2")
    assert numpy != request_of(tmp_path / "c", {"requirements.txt": "numpy==2.1.3"}).digest(["numpy>=2"])


def test_an_environment_with_a_setup_script_belongs_to_one_artifact(tmp_path: Path) -> None:
    """The script may read any of the artifact's files."""
    digests = {digest_of(tmp_path / name, requirements_txt="numpy", setup_sh="true") for name in "ab"}
    assert len(digests) == 2


def test_the_runtime_brings_what_its_distribution_declares() -> None:
    names = {line.split(">")[0] for line in runtime_requirements()}
    assert names == {"numpy", "msgpack", "cloudpickle", "uvloop", "prometheus-client"}


def test_debian_packages_are_names_one_on_a_line() -> None:
    assert package_names("bash\n# of the parser\nlibgomp1:amd64  # threads\nbash\n") == ("bash", "libgomp1:amd64")
    with pytest.raises(EnvironmentBuildError, match=r"packages\.txt, line 2: '-o Dpkg=x' is not the name"):
        package_names("bash\n-o Dpkg=x\n")


def test_debian_packages_that_are_missing_are_found_out() -> None:
    missing = missing_packages(("bash", "skysail-no-such-package"))
    assert missing in (["skysail-no-such-package"], None)


@pytest.mark.parametrize(("name", "text"), [("requirements.txt", "x" * (1 << 20)), ("setup.sh", "#" * (2 << 20))])
def test_a_file_as_long_as_a_book_is_not_read(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(EnvironmentBuildError, match=f"{name}: expected at most 1048576 bytes"):
        request_of(tmp_path / "m", {name: text + "\n"})


def pickled_by(tmp_path: Path, python: str, framework: str = "sklearn") -> EnvironmentRequest:
    manifest = {"format": 1, "framework": framework, "file": "model.pkl", "python": python}
    return request_of(tmp_path / framework, {"skysail.json": json.dumps(manifest), "requirements.txt": ""})


def stand_in(folder: Path, name: str, says: str) -> Path:
    """A program that says of itself that it is this Python."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    return program


def test_a_pickle_of_a_python_that_is_not_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"was saved by Python 3\.99, and this machine runs Python 3\."):
        interpreter_of(pickled_by(tmp_path, "3.99"))


def test_the_python_of_the_manifest_is_taken_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = stand_in(tmp_path, "python3.98", "3.98")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert interpreter_of(pickled_by(tmp_path, "3.98")) == str(program)


@pytest.mark.parametrize("says", ["3.12", "nothing; exit 127"])
def test_a_program_that_is_not_what_its_name_says_is_no_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    stand_in(tmp_path, "python3.98", says)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(EnvironmentBuildError, match=r"has no usable python3\.98"):
        interpreter_of(pickled_by(tmp_path, "3.98"))


def test_source_code_may_do_with_another_python(tmp_path: Path) -> None:
    running = interpreter_of(pickled_by(tmp_path, running_version()))
    assert interpreter_of(pickled_by(tmp_path, "3.99", "folder")) == running
