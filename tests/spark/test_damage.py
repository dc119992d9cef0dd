"""Whatever is damaged in the files of a model is told as such: as a StageError, soon, and in little memory."""

import json
import random
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from skysail_container.spark import StageError, load_pipeline
from spark.bundled_stages import NotBundledError, bundled
from spark.bundles import write_bundle
from spark.damage import damaged
from spark.fixture import FIXTURES, Fixture
from spark.saved import Saved

N_DAMAGED = 150
"""Of Spark's files, and half as many of each form of bundles: about three seconds. Many thousands were drawn when these
tests were written."""
MAX_S = 20.0
"""Far more than any takes, and less than a hang."""


def check_damage(folder: Path, copy: Path, draw: random.Random) -> None:
    shutil.copytree(folder, copy)
    what = damaged(copy, draw)
    started_at = time.monotonic()
    try:
        with suppress(StageError):
            load_pipeline(copy)
    except Exception as error:
        raise AssertionError(f"{folder.parent.name}: {what}") from error
    assert time.monotonic() - started_at < MAX_S
    shutil.rmtree(copy)


def test_damage_to_sparks_files_is_told_as_such(tmp_path: Path) -> None:
    draw = random.Random(20)
    for number in range(N_DAMAGED):
        path = draw.choice(FIXTURES)
        folder = tmp_path / path.stem
        if not folder.exists():
            Fixture(path, folder)
        check_damage(folder / "model", tmp_path / str(number), draw)


@pytest.mark.parametrize("protobuf", [False, True])
def test_damage_to_bundles_is_told_as_such(protobuf: bool, tmp_path: Path) -> None:
    draw = random.Random(21 + protobuf)
    bundles = []
    for path in draw.sample(FIXTURES, 40):
        try:
            node = bundled(Fixture(path, tmp_path / path.stem).pipeline.stage)
        except NotBundledError:
            continue
        bundles.append(write_bundle(tmp_path / path.stem / "bundle", node, protobuf))
    for number in range(N_DAMAGED // 2):
        check_damage(draw.choice(bundles), tmp_path / str(number), draw)


@pytest.mark.parametrize(
    ("family", "name", "parameter", "value", "why"),
    [
        ("tokens", "bigrams", "outputCol", {"a": 1}, "a text is expected"),
        ("tokens", "regex_tokenizer", "minTokenLength", "x", "a number is expected"),
        ("tokens", "regex_tokenizer", "gaps", 1, "true or false is expected"),
        ("assembling", "assembler_of_vectors_errors", "inputCols", ["a", 1], "a list of names is expected"),
        ("assembling", "slicer_by_indices", "indices", 3, "a list is expected"),
        ("linear", "logistic_binary_threshold", "threshold", 1.5, "no probability"),
        ("lsh", "random_projection", "bucketLength", 0.0, "not above 0"),
        ("text_vectors", "word2vec", "vectorSize", 2**70, "not what"),
    ],
)
def test_parameters_of_other_types_are_told_by_name(
    family: str, name: str, parameter: str, value: Any, why: str, tmp_path: Path
) -> None:
    saved = Saved(family, name, tmp_path)
    saved.change_metadata(lambda metadata: metadata["paramMap"].update({parameter: value}))
    with pytest.raises(StageError, match=why):
        saved.load()


def test_a_stage_named_longer_than_a_file_can_be_is_missing(tmp_path: Path) -> None:
    folder = Fixture(next(path for path in FIXTURES if path.stem == "churn"), tmp_path).folder / "model"
    (part,) = (folder / "metadata").glob("part-*")
    metadata = json.loads(part.read_text())
    metadata["paramMap"]["stageUids"] = ["a" * 300]
    part.write_text(json.dumps(metadata))
    with pytest.raises(StageError, match="File name too long"):
        load_pipeline(folder)
