"""Logs of containers: tails, offsets, and files that must not grow for ever."""

import os
from pathlib import Path

import pytest

from skysail_management.container_log import ContainerLogs, LogText


@pytest.fixture
def logs(tmp_path: Path) -> ContainerLogs:
    return ContainerLogs(tmp_path, max_file_bytes=1_000, max_piece_bytes=2_000)


def write(logs: ContainerLogs, text: str) -> None:
    descriptor = logs.open_for_container("m", "1", 0)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def test_a_replica_that_wrote_nothing_has_an_empty_log(logs: ContainerLogs) -> None:
    assert logs.tail("m", "1", 0, 10) == LogText("", 0)
    assert logs.read("m", "1", 0, 5) == LogText("", 0)
    assert logs.last_words("m", "1", 0) == ""


def test_the_tail_and_then_what_follows_it(logs: ContainerLogs) -> None:
    write(logs, "a\nb\nc\n")
    tail = logs.tail("m", "1", 0, 2)
    assert tail.text == "b\nc\n"
    write(logs, "d\n")
    assert logs.read("m", "1", 0, tail.next_offset) == LogText("d\n", 8)
    assert logs.read("m", "1", 0, 8) == LogText("", 8)
    assert logs.tail("m", "1", 0, 0).text == ""


def test_a_long_log_is_cut_while_its_container_writes_on(logs: ContainerLogs) -> None:
    descriptor = logs.open_for_container("m", "1", 0)
    os.write(descriptor, b"".join(b"line %03d\n" % n for n in range(300)))
    logs.cut_long_files()
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    path = logs.path("m", "1", 0)
    assert path.stat().st_size == len("after\n")
    assert path.with_name("0.log.1").stat().st_size == 1_000
    assert logs.tail("m", "1", 0, 2).text == "line 299\nafter\n"
    assert logs.read("m", "1", 0, 2_700) == LogText("after\n", 6), "an offset from before the cut begins anew"


def test_a_read_gives_one_piece_at_a_time(logs: ContainerLogs) -> None:
    write(logs, "x" * 5_000)
    assert len(logs.read("m", "1", 0, 0).text) == 2_000
    assert logs.read("m", "1", 0, 4_000).next_offset == 5_000


def test_a_character_that_is_half_written_waits_for_its_other_half(logs: ContainerLogs) -> None:
    body = "a€😀ü".encode()
    path = logs.path("m", "1", 0)
    path.parent.mkdir(parents=True)
    text, offset = "", 0
    for end in range(1, len(body) + 1):
        path.write_bytes(body[:end])
        piece = logs.read("m", "1", 0, offset)
        text, offset = text + piece.text, piece.next_offset
    assert (text, offset) == ("a€😀ü", len(body))


def test_broken_characters_do_not_break_the_reader(logs: ContainerLogs) -> None:
    path = logs.path("m", "1", 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe ok\n")
    assert "ok" in logs.tail("m", "1", 0, 5).text


def test_last_words_are_few(logs: ContainerLogs) -> None:
    write(logs, "\n".join(f"line {n}" for n in range(100)) + "\n")
    assert logs.last_words("m", "1", 0).splitlines() == [f"line {n}" for n in range(60, 100)]


def test_last_words_are_those_of_the_last_container(logs: ContainerLogs) -> None:
    write(logs, "of the first\n")
    offset = logs.size("m", "1", 0)
    assert logs.last_words("m", "1", 0, since=offset) == ""
    write(logs, "of the second\n")
    assert logs.last_words("m", "1", 0, since=offset) == "of the second"
    assert logs.last_words("m", "1", 0, since=10_000) == "of the first\nof the second", "the log was cut meanwhile"


def test_a_line_of_ours_begins_a_line_of_its_own(logs: ContainerLogs) -> None:
    logs.append("m", "1", 0, "first")
    write(logs, "half a")
    logs.append("m", "1", 0, "second")
    assert logs.tail("m", "1", 0, 9).text == "first\nhalf a\nsecond\n"


def test_every_line_of_a_log_says_once_whose_it_is_however_it_is_read(logs: ContainerLogs) -> None:
    body = "one\n\ntwo ü\nthree"
    write(logs, body)
    whole = logs.tail("m", "1", 0, 9).prefixed("m:1/0 | ").text
    assert whole == "m:1/0 | one\nm:1/0 | \nm:1/0 | two ü\nm:1/0 | three"
    for cut in range(len(body.encode()) + 1):
        path = logs.path("m", "1", 0)
        path.write_bytes(body.encode()[:cut])
        first = logs.read("m", "1", 0, 0)
        path.write_bytes(body.encode())
        second = logs.read("m", "1", 0, first.next_offset)
        assert first.prefixed("m:1/0 | ").text + second.prefixed("m:1/0 | ").text == whole


def test_the_logs_of_a_version_go_with_it(logs: ContainerLogs, tmp_path: Path) -> None:
    write(logs, "x")
    logs.path("m", "2", 0).parent.mkdir()
    logs.remove("m", "1")
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["2"]
    logs.remove("m", "2")
    logs.remove("m", "3")
    assert list(tmp_path.iterdir()) == []
