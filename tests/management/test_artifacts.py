"""The artifact store: whole or not there, whoever uploads, dies or deletes."""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.model_archives import archive_of, in_pieces, model_archive
from skysail_management.artifacts import PIN_S, ArtifactStore
from skysail_management.errors import InvalidError, NotFoundError, StorageFullError, TooLargeError

ARCHIVE = model_archive()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ArtifactStore:
    store = ArtifactStore(tmp_path / "artifacts", max_archive_bytes=1 << 20, clock=clock)
    store.prepare()
    return store


def left_over(store: ArtifactStore) -> list[str]:
    """Everything in the store's directory that no whole artifact accounts for."""
    names = {path.name for path in store.directory.iterdir()}
    whole = {name for name in names if store.has(name.removesuffix(".zip"))}
    return sorted((names - whole - {"incoming"}) | {path.name for path in (store.directory / "incoming").iterdir()})


async def test_an_artifact_is_stored_under_its_own_sha256_and_extracted_read_only(store: ArtifactStore) -> None:
    archive = archive_of({"model.py": "x", "data/deep/y": "z"})
    artifact = await store.put(archive.sha256, in_pieces(archive.body, 7))
    assert (artifact.size_bytes, artifact.n_files, artifact.is_new) == (len(archive.body), 2, True)
    folder = store.folder(archive.sha256)
    assert (folder / "data/deep/y").read_text() == "z"
    for path in [folder, *folder.rglob("*")]:
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), path
    assert left_over(store) == []


async def test_a_known_artifact_is_not_stored_again(store: ArtifactStore) -> None:
    await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))
    before = store.folder(ARCHIVE.sha256).stat().st_ino
    again = await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))
    assert not again.is_new
    assert (again.n_files, again.size_bytes) == (1, len(ARCHIVE.body))
    assert store.folder(ARCHIVE.sha256).stat().st_ino == before


async def test_concurrent_uploads_of_one_artifact_all_succeed_and_one_is_kept(store: ArtifactStore) -> None:
    uploads = await asyncio.gather(*(store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body, 50)) for _ in range(8)))
    assert sum(upload.is_new for upload in uploads) == 1
    assert left_over(store) == []


@pytest.mark.parametrize("name", ["", "x", "../../etc", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
async def test_a_name_that_is_no_sha256_is_refused(store: ArtifactStore, name: str) -> None:
    with pytest.raises(InvalidError, match="sha256: expected 64 characters"):
        await store.put(name, in_pieces(ARCHIVE.body))
    assert not store.has(name)


async def test_a_body_with_another_sha256_leaves_nothing(store: ArtifactStore) -> None:
    with pytest.raises(InvalidError, match="sha256: expected the body's own"):
        await store.put("0" * 64, in_pieces(ARCHIVE.body))
    assert left_over(store) == []
    with pytest.raises(NotFoundError):
        store.folder("0" * 64)


@pytest.mark.parametrize("body", [b"", b"rubbish", model_archive().body[:-30]])
async def test_a_body_that_is_no_archive_leaves_nothing(store: ArtifactStore, body: bytes) -> None:
    with pytest.raises(InvalidError, match="artifact: "):
        await store.put(hashlib.sha256(body).hexdigest(), in_pieces(body))
    assert left_over(store) == []


async def test_an_archive_that_holds_no_model_leaves_nothing(store: ArtifactStore) -> None:
    archive = archive_of({"folder/model.py": "x"})
    with pytest.raises(InvalidError, match=r"expected skysail.json or model.py at its top"):
        await store.put(archive.sha256, in_pieces(archive.body))
    assert left_over(store) == []


async def test_a_body_over_the_limit_is_not_read_to_its_end(store: ArtifactStore) -> None:
    n_pieces = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal n_pieces
        while True:
            n_pieces += 1
            yield b"x" * 65_536

    for sha256 in ("0" * 64, ARCHIVE.sha256):
        with pytest.raises(TooLargeError, match="expected at most 1048576 bytes"):
            await store.put(sha256, endless())
        await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))  # the second round is of a known artifact
    assert n_pieces == 2 * 17
    assert left_over(store) == []


async def test_a_client_that_goes_away_leaves_nothing(store: ArtifactStore) -> None:
    async def interrupted() -> AsyncIterator[bytes]:
        yield ARCHIVE.body[:20]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await store.put(ARCHIVE.sha256, interrupted())
    assert left_over(store) == []


async def test_a_cancelled_upload_leaves_nothing(store: ArtifactStore) -> None:
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield ARCHIVE.body[:20]
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(store.put(ARCHIVE.sha256, stalled()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_over(store) == []


async def test_a_full_disk_says_so_and_leaves_nothing(store: ArtifactStore) -> None:
    async def full() -> AsyncIterator[bytes]:
        yield b"x"
        raise OSError(28, os.strerror(28))

    with pytest.raises(StorageFullError, match="No space left on device"):
        await store.put(ARCHIVE.sha256, full())
    assert left_over(store) == []


async def test_what_a_killed_process_left_is_cleared_at_start(store: ArtifactStore) -> None:
    await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))
    (store.directory / "incoming/0123.zip").write_bytes(b"half")
    (store.directory / "incoming/0123").mkdir()
    orphan = store.directory / ("b" * 64)
    (orphan / "data").mkdir(parents=True)
    orphan.chmod(0o555)
    store.prepare()
    assert left_over(store) == []
    assert store.has(ARCHIVE.sha256)
    assert not orphan.exists()


async def test_a_fresh_upload_is_not_removed_before_its_version_is_registered(
    store: ArtifactStore, clock: Clock
) -> None:
    await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))
    await store.remove([ARCHIVE.sha256])
    assert store.has(ARCHIVE.sha256)
    clock.now += PIN_S + 1
    await store.remove([ARCHIVE.sha256, "c" * 64])
    assert not store.has(ARCHIVE.sha256)
    assert [path.name for path in store.directory.iterdir()] == ["incoming"]
    assert left_over(store) == []
    assert (await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))).is_new


async def test_a_registered_artifact_is_removed_when_asked_for(store: ArtifactStore) -> None:
    await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))
    assert store.total_bytes() == len(ARCHIVE.body)
    store.unpin(ARCHIVE.sha256)
    await store.remove([ARCHIVE.sha256])
    assert store.total_bytes() == 0


async def test_old_artifacts_are_found_by_their_age(store: ArtifactStore) -> None:
    await store.put(ARCHIVE.sha256, in_pieces(ARCHIVE.body))
    assert store.stored(older_than_s=3600) == set()
    os.utime(store.directory / f"{ARCHIVE.sha256}.zip", (0, 0))
    assert store.stored(older_than_s=3600) == {ARCHIVE.sha256}
