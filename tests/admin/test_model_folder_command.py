"""`skysail model init | test | package`, as people and programs use them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from skysail_admin import InvalidRequestError
from skysail_admin.cli import main
from skysail_admin.packing.artifact import packed

KINDS = ["dataframe", "tensor", "function"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYSAIL_DATA_DIR", str(tmp_path / "data"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Exit code and JSON document."""
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_folder_is_a_model_that_passes_its_test(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, made = run(capsys, "model", "init", "mine", "--kind", kind)
    assert code == 0
    assert {"model.py", "requirements.example.txt", "validation.jsonl"} <= set(made["files"])
    code, report = run(capsys, "model", "test", "mine")
    assert (code, report["ok"], report["error"]) == (0, True, None)
    assert (report["n_validation_rows"], report["n_expected"]) == (2, 2)
    assert [batch["n_rows"] for batch in report["batches"]] == [1, 8, 64]


def test_a_folder_that_is_there_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    code, document = run(capsys, "model", "init", "mine")
    assert (code, document["error"]["code"]) == (5, "already_exists")
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    assert run(capsys, "model", "init", "other", "--kind", "spark")[0] == 2


def test_a_test_tells_people_how_long_batches_take(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "init", "mine"])
    assert main(["model", "test", "mine"]) == 0
    out = capsys.readouterr().out
    assert "mine would be served: loaded and checked in " in out
    assert "2 rows of validation.jsonl passed, 2 of them with expected outputs" in out
    assert [line.split()[0] for line in out.splitlines() if line[:1].isspace() and line.split()][:1] == ["ROWS"]


def test_a_difference_is_listed_and_gives_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "init", "mine"])
    rows = Path("mine/validation.jsonl")
    rows.write_text(rows.read_text().replace("4500.0", "4501.0"))
    assert main(["model", "test", "mine"]) == 1
    assert "row 1 (line 2), output.price: expected 4501.0, got 4500.0" in capsys.readouterr().out
    code, report = run(capsys, "model", "test", "mine")
    assert (code, report["ok"], report["n_differences"]) == (1, False, 1)


@pytest.mark.parametrize(
    ("source", "timeout_s", "said"),
    [
        ("raise RuntimeError('no licence')\n", "20", "RuntimeError: no licence"),
        ("import os\nos._exit(7)\n", "20", "the container ended with exit code 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "20", "the container ended with signal 11"),
        ("while True: pass\n", "2", "within 2 s"),
    ],
)
def test_whatever_a_model_does_its_test_ends_with_a_reason(
    source: str, timeout_s: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    Path("mine/model.py").write_text(source)
    code, document = run(capsys, "model", "test", "mine", "-t", "json", "--timeout", timeout_s)
    assert code in (1, 7, 8)
    text = document["error"] if isinstance(document["error"], str) else document["error"]["message"]
    assert said in text


def test_packing_twice_gives_the_same_bytes_and_the_hash_of_the_artifact(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "init", "mine"])
    capsys.readouterr()
    code, first = run(capsys, "model", "package", "mine")
    assert (code, first["file"], first["input_type"]) == (0, "mine.skysail", "json")
    Path("mine/model.py").touch()
    _, second = run(capsys, "model", "package", "mine", "-o", "again.skysail")
    assert Path("mine.skysail").read_bytes() == Path("again.skysail").read_bytes()
    assert first["sha256"] == second["sha256"]
    with packed("mine") as folder, packed("mine.skysail") as file:
        assert folder.sha256 == file.sha256 == first["sha256"]
        assert file.input_type == "json"
    assert run(capsys, "model", "test", "mine.skysail")[0] == 0


def test_a_package_has_to_be_called_one_and_to_be_writable(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "init", "mine"])
    capsys.readouterr()
    assert run(capsys, "model", "package", "mine", "-o", "mine.zip")[0] == 2
    code, document = run(capsys, "model", "package", "mine", "-o", "nowhere/mine.skysail")
    assert (code, document["error"]["message"]) == (
        2,
        "nowhere/mine.skysail cannot be written: No such file or directory",
    )


def test_a_file_that_is_no_package_is_refused_with_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model", "init", "mine"])
    main(["model", "package", "mine"])
    whole = Path("mine.skysail").read_bytes()
    damaged = {
        "garbage": b"garbage",
        "empty": b"",
        "cut": whole[:-40],
        "flipped": whole.replace(b'"format"', b'"f0rmat"'),
    }
    for name, content in damaged.items():
        Path(f"{name}.skysail").write_bytes(content)
        with pytest.raises(InvalidRequestError, match="damaged"), packed(f"{name}.skysail", "json"):
            pass
    with zipfile.ZipFile("other.skysail", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InvalidRequestError, match=r"has no skysail.json"), packed("other.skysail", "json"):
        pass
    with pytest.raises(InvalidRequestError, match=r"there is no gone.skysail"), packed("gone.skysail"):
        pass
    with pytest.raises(InvalidRequestError, match="packed for input type json, not doubles"):
        packed("mine.skysail", "doubles").__enter__()


@pytest.mark.environments
@pytest.mark.timeout(300)
def test_a_model_with_requirements_is_tested_in_an_environment_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["model", "init", "mine", "--kind", "function"])
    Path("mine/requirements.txt").write_text("numpy==2.1.3\n")
    Path("mine/model.py").write_text("import numpy\ndef predict(rows): return [numpy.__version__] * len(rows)\n")
    Path("mine/validation.jsonl").write_text('{"input": [1.0], "output": "2.1.3"}\n')
    capsys.readouterr()
    code, report = run(capsys, "model", "test", "mine")
    assert (code, report["error"]) == (0, None)
    Path("mine/requirements.txt").write_text("numpy==99.0\n")
    code, document = run(capsys, "model", "test", "mine")
    assert (code, document["error"]["message"]) == (8, "the model's environment could not be built")
    assert "numpy==99.0" in document["error"]["logs"]
