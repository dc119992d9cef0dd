"""Everything that is checked before a process is started, each with its one clear line."""

import os
import socket
from pathlib import Path

import pytest

from harness.free_ports import free_port, free_ports
from skysail_admin.errors import PortInUseError, StackError
from skysail_admin.local.events import StackEvent, error_of_event, event_of_error
from skysail_admin.local.external_redis import check_reachable
from skysail_admin.local.locks import FileLock, is_held
from skysail_admin.local.paths import prepare
from skysail_admin.local.ports import check_free, owner_of
from skysail_admin.local.settings import StackSettings
from skysail_admin.local.stack import run_stack


def nobody(event: StackEvent) -> None:
    """Nobody looks."""


def settings(data_dir: Path, **changes: object) -> StackSettings:
    query_port, management_port = free_ports(2)
    values = {"data_dir": data_dir, "query_port": query_port, "management_port": management_port, **changes}
    return StackSettings(**values)  # type: ignore[arg-type]  # the tests' own keywords


def test_a_port_in_use_is_named_with_its_user_and_the_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            check_free("127.0.0.1", port, "--query-port")
    assert f"port {port} is in use by" in caught.value.message
    assert f"(pid {os.getpid()})" in caught.value.message
    assert "--query-port" in caught.value.message


def test_a_free_port_is_free() -> None:
    check_free("127.0.0.1", free_port(), "--query-port")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(StackError, match="is not a port"):
        check_free("127.0.0.1", port, "--query-port")


def test_nobody_owns_a_free_port() -> None:
    assert owner_of(free_port()) is None


def test_a_port_in_use_stops_the_start_before_anything_runs(short_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} is in use"):
            run_stack(settings(short_path, management_port=port), nobody)
    assert not is_held(short_path / "stack.lock")


def test_one_port_for_both_services_is_refused(short_path: Path) -> None:
    with pytest.raises(StackError, match="they must differ"):
        run_stack(settings(short_path, query_port=4444, management_port=4444), nobody)


def test_no_workers_at_all_is_refused(short_path: Path) -> None:
    with pytest.raises(StackError, match="at least one process"):
        run_stack(settings(short_path, workers=0), nobody)


def test_a_data_dir_that_cannot_be_made_is_one_clear_line(short_path: Path) -> None:
    (short_path / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot be written: Not a directory; choose another place with --data-dir"):
        run_stack(settings(short_path / "file" / "data"), nobody)


def test_a_full_disk_is_one_clear_line(short_path: Path) -> None:
    with pytest.raises(StackError, match=r"the disk of .* is full: \d+ MiB left and \d+ MiB needed; free some space"):
        prepare(short_path, needed_free_bytes=1 << 62)


def test_an_external_redis_that_does_not_answer_is_named_without_its_password(short_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        run_stack(settings(short_path, redis_url=f"redis://:s3cret@127.0.0.1:{free_port()}/0"), nobody)
    assert "no Redis answers at redis://:***@127.0.0.1" in caught.value.message
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "unix://", "redis://"])
def test_a_redis_url_that_is_none_is_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(StackError, match="say redis://HOST:PORT/DB or unix:///PATH"):
        check_reachable(url)


def test_sockets_go_below_the_data_dir_when_its_path_is_short(short_path: Path) -> None:
    assert prepare(short_path).run_dir == short_path / "run"


def test_a_long_data_dir_gets_a_short_private_run_dir(short_path: Path) -> None:
    data_dir = short_path / ("d" * 100)
    runtime_dir = short_path / "r"
    run_dir = prepare(data_dir, str(runtime_dir)).run_dir
    assert run_dir.parent == runtime_dir
    assert len(os.fsencode(run_dir / "redis.sock")) <= 107
    assert run_dir.stat().st_mode & 0o077 == 0


def test_without_a_runtime_dir_it_is_below_tmp_and_each_data_dir_has_its_own(short_path: Path) -> None:
    made = [prepare(short_path / (letter * 100)).run_dir for letter in "ab"]
    for run_dir in made:
        run_dir.rmdir()
    assert {run_dir.parent for run_dir in made} == {Path("/tmp")}  # noqa: S108 - the place that is always short
    assert made[0] != made[1]


def test_a_run_dir_that_others_may_write_to_is_refused(short_path: Path) -> None:
    (short_path / "run").mkdir()
    (short_path / "run").chmod(0o777)
    with pytest.raises(StackError, match="open to others"):
        prepare(short_path)


def test_a_lock_is_held_by_whoever_inherited_it(short_path: Path) -> None:
    lock = FileLock(short_path / "lock")
    assert lock.acquire()
    inherited = os.dup(lock.fd)
    lock.release()
    assert is_held(short_path / "lock")
    os.close(inherited)
    assert not is_held(short_path / "lock")


def test_a_lock_nobody_holds_is_not_held(short_path: Path) -> None:
    assert not is_held(short_path / "lock")
    (short_path / "lock").write_text("left behind")
    assert not is_held(short_path / "lock")


def test_a_lock_that_is_held_is_not_had_by_waiting(short_path: Path) -> None:
    first, second = FileLock(short_path / "lock"), FileLock(short_path / "lock")
    assert first.acquire()
    assert not second.acquire_within(0.05)
    first.release()
    assert second.acquire_within(0.05)
    second.release()


@pytest.mark.parametrize("error", [PortInUseError("taken", port=1337), StackError("ended", log_tail="last words")])
def test_an_error_crosses_from_the_background_as_it_was(error: StackError) -> None:
    again = error_of_event(StackEvent.from_line(event_of_error(error).to_line()))
    assert type(again) is type(error)
    assert (again.message, again.log_tail) == (error.message, error.log_tail)
