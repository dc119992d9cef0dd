"""Environments on the disk: whole or not there, held as long as they are used, removed when nobody asks for them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from skysail_management.environment_store import Environment, EnvironmentStore


class _GaveUpError(Exception):
    pass


def give_up() -> None:
    raise _GaveUpError


@pytest.fixture
def store(tmp_path: Path) -> EnvironmentStore:
    store = EnvironmentStore(tmp_path / "environments")
    store.prepare()
    return store


@pytest.fixture
def held() -> Iterator[list[Environment]]:
    """What a test puts here is let go at its end."""
    held: list[Environment] = []
    yield held
    for environment in held:
        with suppress(OSError):
            os.close(environment.hold)


def built(store: EnvironmentStore, key: str, digest: str) -> Environment:
    """A whole environment, still held by who built it."""
    build = store.begin()
    build.python.parent.mkdir()
    build.python.symlink_to("/bin/sh")
    store.place(key, build)
    store.remember(digest, key, ["numpy==2.1.3"])
    store.log_path(digest).write_text("log")
    return build


def test_an_environment_is_found_by_its_request_and_by_its_key(
    store: EnvironmentStore, held: list[Environment]
) -> None:
    build = built(store, "k", "d")
    held += [build, *(found for found in (store.find("d"), store.hold("k")) if found is not None)]
    assert [environment.folder for environment in held] == [build.folder] * 3
    assert store.find("another") is None


def test_what_was_begun_is_no_environment(store: EnvironmentStore, held: list[Environment]) -> None:
    build = store.begin()
    held.append(build)
    store.remember("d", "k", [])
    assert store.find("d") is None
    store.discard(build)
    assert not build.folder.exists()


def test_one_whose_python_is_gone_is_none_any_more(store: EnvironmentStore, held: list[Environment]) -> None:
    build = built(store, "k", "d")
    held.append(build)
    build.python.unlink()
    assert store.find("d") is None
    held.append(built(store, "k", "d"))
    found = store.find("d")
    assert found is not None
    held.append(found)
    assert found.folder == held[1].folder


def test_a_name_is_locked_for_everybody_else(store: EnvironmentStore) -> None:
    with store.locked("a", give_up):
        with store.locked("b", give_up):
            pass
        with pytest.raises(_GaveUpError), store.locked("a", give_up):
            pass
    with store.locked("a", give_up):
        pass


def test_what_is_in_use_is_not_removed_and_what_is_not_is(store: EnvironmentStore, held: list[Environment]) -> None:
    build = built(store, "k", "d")
    assert store.sweep([], older_than_s=0) == []
    assert build.folder.exists()
    os.close(build.hold)
    assert store.sweep([], older_than_s=0) == ["k"]
    assert [path for folder in store.directory.iterdir() for path in folder.iterdir()] == []


def test_what_is_asked_for_or_new_stays(store: EnvironmentStore) -> None:
    for key in "kl":
        os.close(built(store, key, f"{key}-digest").hold)
    assert store.sweep([], older_than_s=60) == []
    assert store.sweep(["k-digest"], older_than_s=0) == ["l"]
    found = store.find("k-digest")
    assert found is not None
    os.close(found.hold)
    assert store.log_path("k-digest").exists()
    assert not store.log_path("l-digest").exists()


def test_what_a_dead_builder_left_is_removed_and_what_a_living_one_does_is_not(
    store: EnvironmentStore, held: list[Environment]
) -> None:
    dead, living = store.begin(), store.begin()
    held.append(living)
    os.close(dead.hold)
    store.sweep([], older_than_s=0)
    assert (dead.folder.exists(), living.folder.exists()) == (False, True)


def test_a_lock_that_is_held_outlives_a_sweep(store: EnvironmentStore) -> None:
    with store.locked("a", give_up):
        store.sweep([], older_than_s=0)
        with pytest.raises(_GaveUpError), store.locked("a", give_up):
            pass
    store.sweep([], older_than_s=0)
    assert list((store.directory / "locks").iterdir()) == []


def test_a_failure_is_told_to_those_who_waited_for_it(store: EnvironmentStore) -> None:
    assert store.failure_since("d", 0) is None
    store.note_failure("d", "no such version")
    noted_at = (store.directory / "failures" / "d.txt").stat().st_mtime
    assert store.failure_since("d", noted_at) == "no such version"
    assert store.failure_since("d", noted_at + 1) is None
