"""Hostile archives, one by one and by chance."""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model_archives import archive_of
from skysail_management.archive import ArchiveLimits, Extracted, extract_archive
from skysail_management.errors import InvalidError, ManagementError, TooLargeError

Fill = Callable[[zipfile.ZipFile], None]


def extract(tmp_path: Path, body: bytes, limits: ArchiveLimits | None = None) -> Extracted:
    (tmp_path / "a.zip").write_bytes(body)
    (tmp_path / "out").mkdir(exist_ok=True)
    return extract_archive(tmp_path / "a.zip", tmp_path / "out", limits or ArchiveLimits())


def zipped(fill: Fill) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        fill(archive)
    return buffer.getvalue()


def named(*names: str) -> bytes:
    def fill(archive: zipfile.ZipFile) -> None:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, b"")

    return zipped(fill)


def of_kind(kind: int) -> bytes:
    info = zipfile.ZipInfo("model.py")
    info.create_system = 3
    info.external_attr = (kind | 0o644) << 16
    return zipped(lambda archive: archive.writestr(info, "/etc/passwd"))


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_an_honest_archive_comes_out_whole(tmp_path: Path) -> None:
    body = archive_of({"model.py": "x" * 100_000, "data/": "", "data/a b-ü.bin": b"\x00" * 5}).body
    assert extract(tmp_path, body) == Extracted(2, 100_005)
    assert (tmp_path / "out/data/a b-ü.bin").read_bytes() == b"\x00" * 5
    assert everything_below(tmp_path / "out") == {"model.py", "data", "data/a b-ü.bin"}


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "..",
        ".",
        "./x",
        "a//b",
        "",
        "/",
        "..\\x",
        "a\\b",
        "C:/x",
        "c:x",
        "a\x00b",
        "a\nb",
        "x" * 256,
        "/".join("x" * 40),
        "/".join(["x" * 200] * 6),
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidError, match="artifact: "):
        extract(tmp_path, named("model.py", name))
    assert everything_below(tmp_path) == {"a.zip", "out"}, "checked before anything is written"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_devices_and_the_like_are_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(InvalidError, match="neither file nor folder"):
        extract(tmp_path, of_kind(kind))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    for names in (("a", "a"), ("a/", "a/"), ("a", "a/")):
        with pytest.raises(InvalidError, match="twice"):
            extract(tmp_path, named(*names))


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    for names in (("a", "a/b"), ("a/b", "a"), ("a", "a/b/c")):
        with pytest.raises(InvalidError, match="both as a file and as a folder"):
            extract(tmp_path, named(*names))


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    body = bytearray(archive_of({"model.py": "x"}).body)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(signature) + offset] |= 1
    with pytest.raises(InvalidError, match="encrypted"):
        extract(tmp_path, bytes(body))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_are_not_deflate_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(InvalidError, match="compressed by method"):
        extract(tmp_path, zipped(lambda archive: archive.writestr("a", "x" * 100, compress_type=method)))


def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path) -> None:
    limits = ArchiveLimits(ratio_exempt_bytes=1 << 20)
    with pytest.raises(TooLargeError, match="'bomb' to grow at most 250 fold"):
        extract(tmp_path, archive_of({"bomb": b"\x00" * (4 << 20)}).body, limits)
    assert (tmp_path / "out/bomb").stat().st_size <= 2 << 20


def test_a_lying_header_does_not_hide_a_bomb(tmp_path: Path) -> None:
    body = archive_of({"bomb": b"\x00" * (4 << 20)}).body
    lying = body.replace(struct.pack("<L", 4 << 20), struct.pack("<L", 10))
    assert lying != body
    with pytest.raises(ManagementError):
        extract(tmp_path, lying, ArchiveLimits(ratio_exempt_bytes=1 << 20))
    assert (tmp_path / "out/bomb").stat().st_size <= 2 << 20


def test_many_files_together_are_counted(tmp_path: Path) -> None:
    body = archive_of({f"{n}": os.urandom(1000) for n in range(20)}).body
    with pytest.raises(TooLargeError, match="at most 15000 bytes of files"):
        extract(tmp_path, body, ArchiveLimits(max_total_bytes=15_000))


def test_too_many_entries_are_refused_before_any_is_written(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="at most 10 entries"):
        extract(tmp_path, archive_of({f"{n}": "" for n in range(11)}).body, ArchiveLimits(max_files=10))
    assert everything_below(tmp_path / "out") == set()


def test_a_huge_table_of_contents_is_not_read(tmp_path: Path) -> None:
    body = named(*(f"{n:0200d}" for n in range(10_000)))
    assert len(body) > 4 << 20
    with pytest.raises(TooLargeError, match="table of contents"):
        extract(tmp_path, body)


def test_overlapping_entries_gain_nothing(tmp_path: Path) -> None:
    """The quoted-overlap bomb: many entries that share one body. Every copy counts."""
    inner = archive_of({"a": b"\x00" * 100_000}).body
    start = inner.index(b"PK\x01\x02")
    end = inner.index(b"PK\x05\x06")
    entry = inner[start:end]
    entries = b"".join(entry[:46] + bytes([97 + n]) + entry[47:] for n in range(20))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 20, 20, len(entries), start, 0)
    with pytest.raises(ManagementError):
        extract(tmp_path, inner[:start] + entries + tail, ArchiveLimits(max_total_bytes=1_000_000))


@pytest.mark.parametrize("body", [b"", b"PK", b"not a zip at all", b"PK\x05\x06" + b"\xff" * 18, b"\x00" * 1000])
def test_what_is_no_zip_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(ManagementError):
        extract(tmp_path, body)


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    for body in (zipped(lambda _: None), named("a/")):
        with pytest.raises(InvalidError, match="at least one file"):
            extract(tmp_path, body)


def test_damaged_contents_are_refused(tmp_path: Path) -> None:
    body = bytearray(zipped(lambda archive: archive.writestr("model.py", "x" * 1000)))
    body[200] ^= 0xFF
    with pytest.raises(InvalidError, match="CRC"):
        extract(tmp_path, bytes(body))


SOUND = archive_of({"model.py": "def predict(rows): ...", "data/x": b"\x00" * 3000, "data/y": os.urandom(50)}).body


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_byte_is_wrong_it_is_an_error_of_ours_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    tmp_path = tmp_path_factory.mktemp("damaged")
    body = bytearray(SOUND)
    for position, value in changes:
        body[position] = value
    try:
        extract(tmp_path, bytes(body))
    except ManagementError:
        pass
    finally:
        assert everything_below(tmp_path) >= {"a.zip", "out"}
        assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "out"}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SOUND) - 1))
def test_a_truncated_archive_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    with pytest.raises(ManagementError):
        extract(tmp_path_factory.mktemp("truncated"), SOUND[:length])
