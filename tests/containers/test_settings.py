"""Arguments, environment and addresses."""

from pathlib import Path

import pytest

from skysail_container.address import TcpAddress, UnixAddress, parse_address
from skysail_container.settings import Settings, read_settings

NEEDED = ["--model=/m", "--listen=unix:/run/s"]


def refused(capsys: pytest.CaptureFixture[str], flags: list[str], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SystemExit) as caught:
        read_settings(flags, environment or {})
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/skysail/a.sock", UnixAddress(Path("/run/skysail/a.sock"))),
        ("tcp:0.0.0.0:7000", TcpAddress("0.0.0.0", 7000)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("tcp:[::1]:7000", TcpAddress("::1", 7000)),
    ],
)
def test_an_address_is_a_unix_path_or_a_host_and_port(text: str, address: UnixAddress | TcpAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "tcp:",
        "7000",
        ":7000",
        "host:",
        "host:http",
        "host:70000",
        "host:-1",
        "host:²",
        "unix:",
        "unix:relative",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(text)


def test_a_unix_path_that_no_socket_can_have_is_refused() -> None:
    parse_address("unix:/" + "x" * 106)
    with pytest.raises(ValueError, match="at most 107 bytes"):
        parse_address("unix:/" + "x" * 107)


def test_addresses_are_written_as_they_are_read() -> None:
    for text in ("unix:/run/s", "tcp:127.0.0.1:7000"):
        assert str(parse_address(text)) == text


def test_two_flags_are_enough() -> None:
    settings = read_settings(NEEDED, {})
    assert settings == Settings(model=Path("/m"), listen=UnixAddress(Path("/run/s")))


def test_a_flag_goes_before_its_environment_twin() -> None:
    environment = {
        "SKYSAIL_MODEL": "/env",
        "SKYSAIL_LISTEN": "h:1",
        "SKYSAIL_INPUT_TYPE": "json",
        "SKYSAIL_NAME": "env",
    }
    settings = read_settings(["--name=flag", "--drain-timeout-s=1.5"], environment)
    assert settings == Settings(
        model=Path("/env"), listen=TcpAddress("h", 1), input_type="json", name="flag", drain_timeout_s=1.5
    )


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--listen=nowhere", "'nowhere' is not an address"),
        ("--input-type=vectors", "'vectors' is not one of integers, floats"),
        ("--max-frame-bytes=10", "from 4096 to"),
        ("--max-frame-bytes=4294967296", "from 4096 to"),
        ("--max-queued-batches=0", "at least 1"),
        ("--max-queued-bytes=many", "not a whole number"),
        ("--drain-timeout-s=0", "more than 0"),
        ("--drain-timeout-s=nan", "more than 0"),
        ("--drain-timeout-s=soon", "not a number of seconds"),
        ("--lifeline-fd=1000000", "is not open"),
        ("--log-level=LOUD", "'LOUD' is not one of DEBUG"),
        ("--nam=x", "unrecognized arguments"),
    ],
)
def test_a_bad_flag_is_named_with_what_is_wrong(capsys: pytest.CaptureFixture[str], flag: str, text: str) -> None:
    assert text in refused(capsys, [*NEEDED, flag])


def test_a_bad_environment_is_refused_like_a_bad_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'vectors' is not one of" in refused(capsys, NEEDED, {"SKYSAIL_INPUT_TYPE": "vectors"})
    assert "--model is missing (or SKYSAIL_MODEL in the environment)" in refused(capsys, ["--listen=h:1"])


def test_a_check_needs_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_settings(["--model=/m", "--check=report.json"], {}).check == Path("report.json")
    assert "--model is missing" in refused(capsys, ["--check=/tmp/report"])
