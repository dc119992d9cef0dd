"""Metric cells: counts in a mapped file that outlive their worker and never bring a reader or a successor down."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysail_frontend.metric_cells import (
    FILE_BYTES,
    CellsFile,
    CellsFullError,
    CellsUnavailableError,
    read_cells,
    unmapped_cells,
)

Series = dict[tuple[str, tuple[tuple[str, str], ...]], list[float]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worker-0.cells"


def content(path: Path) -> Series:
    return {(name, tuple(sorted(labels.items()))): values for name, labels, values in read_cells(path)}


def test_what_is_counted_is_read_from_another_place(path: Path) -> None:
    file = CellsFile(path)
    file.cells("queries", {"app": "a"}, 1)[0] += 3
    histogram = file.cells("seconds", {"app": "a", "model": "m"}, 4)
    histogram[2] += 1
    histogram[3] += 0.25
    assert content(path) == {
        ("queries", (("app", "a"),)): [3.0],
        ("seconds", (("app", "a"), ("model", "m"))): [0.0, 0.0, 1.0, 0.25],
    }


def test_cells_of_the_same_labels_are_shared_whatever_their_order(path: Path) -> None:
    file = CellsFile(path)
    file.cells("n", {"a": "1", "b": "2"}, 1)[0] += 1
    file.cells("n", {"b": "2", "a": "1"}, 1)[0] += 1
    assert list(content(path).values()) == [[2.0]]


def test_opening_an_existing_file_goes_on_counting(path: Path) -> None:
    CellsFile(path).cells("queries", {"app": "a"}, 1)[0] = 41
    CellsFile(path).cells("queries", {"app": "a"}, 1)[0] += 1
    assert list(content(path).values()) == [[42.0]]


def test_counts_survive_a_kill_of_the_process_that_counted(path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from skysail_frontend.metric_cells import CellsFile\n"
        "CellsFile(Path(sys.argv[1])).cells('queries', {'app': 'a'}, 1)[0] += 7\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    assert list(content(path).values()) == [[7.0]]


def test_a_freed_series_is_gone_and_its_room_is_zero_when_it_is_used_again(path: Path) -> None:
    file = CellsFile(path)
    cells = file.cells("queries", {"app": "a"}, 2)
    cells[0] = 5
    file.free("queries", {"app": "a"})
    cells[1] = 99  # a holder that does not know
    assert content(path) == {}
    file.cells("queries", {"app": "b"}, 2)
    assert content(path) == {("queries", (("app", "b"),)): [0.0, 0.0]}
    assert path.read_bytes().count(b"queries") == 1


def test_freed_room_is_known_to_the_next_process(path: Path) -> None:
    file = CellsFile(path)
    file.cells("queries", {"app": "a"}, 1)
    file.free("queries", {"app": "a"})
    used = path.read_bytes()[8:16]
    CellsFile(path).cells("queries", {"app": "b"}, 1)
    assert path.read_bytes()[8:16] == used


def test_freeing_an_unknown_series_changes_nothing(path: Path) -> None:
    file = CellsFile(path)
    file.cells("queries", {}, 1)[0] = 1
    file.free("queries", {"app": "nobody"})
    assert list(content(path).values()) == [[1.0]]


def test_a_series_whose_number_of_cells_changed_with_the_release_begins_anew(path: Path) -> None:
    CellsFile(path).cells("seconds", {"app": "a"}, 3)[0] = 5
    CellsFile(path).cells("seconds", {"app": "a"}, 4)[0] = 1
    assert [values for _, _, values in read_cells(path)] == [[1.0, 0.0, 0.0, 0.0]]


def test_a_full_file_says_so_and_keeps_what_it_has(path: Path) -> None:
    file = CellsFile(path)
    n_cells = FILE_BYTES // 80
    for number in range(9):
        file.cells("big", {"app": str(number)}, n_cells)[0] = number
    with pytest.raises(CellsFullError, match="no room"):
        file.cells("big", {"app": "9"}, n_cells)
    assert [values[0] for _, _, values in read_cells(path)] == [float(number) for number in range(9)]
    file.free("big", {"app": "3"})
    file.cells("big", {"app": "x"}, n_cells)[0] = 1
    assert len(content(path)) == 9


def test_a_directory_that_takes_no_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CellsUnavailableError, match=r"cannot make .*worker-0\.cells for the metrics: No such file"):
        CellsFile(tmp_path / "missing" / "worker-0.cells")


def test_a_full_disk_is_told_when_the_file_is_made(path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from skysail_frontend.metric_cells import CellsFile, CellsUnavailableError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "try:\n    CellsFile(Path(sys.argv[1]))\nexcept CellsUnavailableError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"cannot make {path} for the metrics: ")


def test_a_file_that_has_not_been_begun_has_no_series(path: Path) -> None:
    path.write_bytes(b"")
    assert content(path) == {}
    path.write_bytes(bytes(FILE_BYTES))
    assert content(path) == {}


def begun(path: Path) -> bytes:
    """The used part of a file with two series, of 1 and 2 cells."""
    file = CellsFile(path)
    file.cells("first", {"app": "a"}, 1)[0] = 1
    file.cells("second", {"app": "b"}, 2)[1] = 2
    raw = path.read_bytes()
    return raw[: struct.unpack_from("<Q", raw, 8)[0]]


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0, b"otherfil"),
        (8, struct.pack("<Q", 2**60)),
        (8, struct.pack("<Q", 3)),
        (8, struct.pack("<Q", 60)),
        (16, struct.pack("<I", 2**31)),
        (16, struct.pack("<I", 7)),
        (16, struct.pack("<I", 0)),
        (20, struct.pack("<I", 2**32 - 1)),
        (20, struct.pack("<I", 0)),
    ],
)  # fmt: skip
def test_lying_lengths_end_the_reading_and_the_next_worker_begins_anew(
    path: Path, offset: int, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    raw = bytearray(begun(path))
    raw[offset : offset + len(value)] = value
    path.write_bytes(raw)
    assert len(content(path)) <= 1
    assert "left out of the metrics" in caplog.text
    CellsFile(path).cells("queries", {}, 1)[0] = 1
    assert content(path) == {("queries", ()): [1.0]}
    assert "begin anew" in caplog.text


@pytest.mark.parametrize("key", [b"\xff\xfe", b"{", b"3", b"[1, {}]", b'["x", 3]', b'["x", {"a": 1}]', b"null"])
def test_a_key_left_half_written_by_a_killed_worker_costs_its_own_series_alone(path: Path, key: bytes) -> None:
    raw = bytearray(begun(path))
    n_key_bytes = struct.unpack_from("<I", raw, 16)[0]
    raw[24 : 24 + n_key_bytes] = key.ljust(n_key_bytes)
    path.write_bytes(raw)
    expected = {("second", (("app", "b"),)): [0.0, 2.0]}
    assert content(path) == expected
    CellsFile(path)
    assert content(path) == expected


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_no_content_makes_reading_or_opening_fail(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / f"junk-{os.getpid()}.cells"
    header = struct.pack("<8sQ", b"skycell1", 16 + len(junk))
    for raw in (junk, header + junk):
        path.write_bytes(raw)
        list(read_cells(path))
        CellsFile(path).cells("queries", {}, 1)[0] = 1
        assert ("queries", ()) in content(path)


def test_unmapped_cells_count_for_nobody() -> None:
    cells = unmapped_cells(3)
    cells[2] += 1.5
    assert list(cells) == [0.0, 0.0, 1.5]
