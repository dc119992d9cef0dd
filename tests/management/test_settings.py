"""Settings from flags and environment, and what management refuses to start with."""

import os
import stat
from pathlib import Path

import pytest

from skysail_management.data_directory import DataDirectory
from skysail_management.settings import Settings, SettingsError, read_settings


def test_without_anything_the_defaults_hold() -> None:
    assert read_settings([], {}) == Settings()


def test_flags_win_over_the_environment_and_empty_variables_are_none() -> None:
    environment = {"SKYSAIL_PORT": "1", "SKYSAIL_DATA_DIR": "/x", "SKYSAIL_TOKEN": "", "SKYSAIL_HOST": ""}
    settings = read_settings(["--port", "2", "--drain-limit-s", "1.5"], environment)
    assert settings == Settings(port=2, data_dir=Path("/x"), drain_limit_s=1.5)


def test_another_address_than_loopback_needs_a_token() -> None:
    with pytest.raises(SettingsError, match=r"--host 0\.0\.0\.0 is not loopback: give a token"):
        read_settings(["--host", "0.0.0.0"], {})
    assert read_settings(["--host", "0.0.0.0"], {"SKYSAIL_TOKEN": "t"}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--port", "x"], "--port: expected a number, got 'x'"),
        (["--port", "70000"], "--port: expected 0 to 65535"),
        (["--backend", "cloud"], "--backend: expected local or none, got 'cloud'"),
        (["--index-options", "some"], "--index-options: expected refused or allowed, got 'some'"),
        (["--build-limit-s", "0"], "--build-limit-s: expected more than 0"),
        (["--log-level", "loud"], "--log-level: expected debug"),
        (["--drain-limit-s", "0"], "--drain-limit-s: expected more than 0"),
        (["--start-limit-s", "nan"], "--start-limit-s: expected more than 0"),
        (["--lifeline-fd", "987"], "no open file descriptor 987"),
        (["--max-artifact-bytes", "1e3"], "--max-artifact-bytes: expected a number"),
    ],
)
def test_a_setting_that_does_not_do_is_named(flags: list[str], text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(flags, {})
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_flags_end_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--prot", "1"], {})
    assert caught.value.code == 2
    assert "--prot" in capsys.readouterr().err


def test_one_process_per_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first = DataDirectory(settings)
    with pytest.raises(SettingsError, match="another management process is using it"):
        DataDirectory(settings)
    first.close()
    DataDirectory(settings).close()


def test_a_data_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="Not a directory"):
        DataDirectory(Settings(data_dir=tmp_path / "file" / "data"))


def test_a_long_path_gets_its_sockets_elsewhere_and_always_at_the_same_place(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / ("long" * 30))
    directory = DataDirectory(settings)
    assert len(os.fsencode(directory.sockets / "0123456789ab.sock")) <= 107
    assert stat.S_IMODE(directory.sockets.stat().st_mode) == 0o700
    directory.close()
    assert not directory.sockets.exists()
    again = DataDirectory(settings)
    again.close()
    assert again.sockets == directory.sockets


def test_a_socket_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(SettingsError, match="nobody else can write to"):
        DataDirectory(Settings(data_dir=tmp_path / "data", run_dir=tmp_path / "open"))
