"""Settings: every field checked, errors that name it, flags before environment before defaults."""

import os
from pathlib import Path
from typing import Any

import pytest

from skysail_frontend.__main__ import _parser, _settings
from skysail_frontend.errors import SettingsError
from skysail_frontend.settings import Settings


def settings_with(**values: Any) -> Settings:
    return Settings(**{"redis_url": "redis://h:1/0", "run_dir": Path("/r"), **values})


def parsed(*arguments: str) -> Settings:
    return _settings(_parser().parse_args(arguments))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SKYSAIL_"):
            monkeypatch.delenv(name)


def test_the_defaults_are_those_of_the_design() -> None:
    settings = settings_with()
    assert (settings.host, settings.port, settings.workers, settings.lane) == ("127.0.0.1", 1337, 1, True)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("port", -1, "port is -1; 0 or more"),
        ("port", 65536, "port is 65536; at most 65535"),
        ("workers", 0, "workers is 0; more than 0"),
        ("max_body_bytes", 0, "max_body_bytes is 0; more than 0"),
        ("receive_timeout_s", -1.0, "receive_timeout_s is -1.0; more than 0"),
        ("idle_timeout_s", float("nan"), "idle_timeout_s is nan; more than 0"),
        ("shutdown_timeout_s", float("inf"), "shutdown_timeout_s is inf; more than 0"),
        ("feedback_per_s", -5, "feedback_per_s is -5; 0 or more"),
        ("max_batch_rows", 65_537, "max_batch_rows is 65537; at most 65536"),
        ("redis_url", "http://h", "redis_url is 'http://h'; redis://"),
        ("log_level", "loud", "log_level is 'loud'; debug, info"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_was_expected(field: str, value: Any, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_with(**{field: value})
    assert expected in str(caught.value)


def test_a_flag_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSAIL_REDIS_URL", "unix:///r.sock?db=0")
    monkeypatch.setenv("SKYSAIL_RUN_DIR", "/from/environment")
    monkeypatch.setenv("SKYSAIL_WORKERS", "3")
    settings = parsed("--workers", "2")
    assert (settings.redis_url, settings.run_dir) == ("unix:///r.sock?db=0", Path("/from/environment"))
    assert (settings.workers, settings.port) == (2, 1337)


def test_every_field_can_be_given_as_a_flag() -> None:
    flags = {
        "redis-url": "redis://h:1/0", "run-dir": "/r", "host": "::1", "port": "0", "workers": "2", "lane": "off",
        "max-body-bytes": "1", "max-header-bytes": "2", "receive-timeout-s": "0.5", "idle-timeout-s": "1.5",
        "shutdown-timeout-s": "2.5", "max-request-rows": "3", "max-queue-rows": "4", "max-queue-bytes": "5",
        "max-batch-rows": "6", "max-batch-bytes": "7", "feedback-per-s": "0", "log-level": "debug",
        "cache-bytes": "0", "cache-ttl-s": "0.25",
    }  # fmt: skip
    settings = parsed(*[part for name, value in flags.items() for part in (f"--{name}", value)])
    expected: dict[str, Any] = {
        name.replace("-", "_"): value for name, value in flags.items() if not value.replace(".", "").isdigit()
    }
    expected |= {"run_dir": Path("/r"), "lane": False, "receive_timeout_s": 0.5, "max_batch_bytes": 7}
    assert set(settings.__slots__) == {name.replace("-", "_") for name in flags}
    for field, value in expected.items():
        assert getattr(settings, field) == value


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--redis-url or SKYSAIL_REDIS_URL is needed"),
        (["--redis-url", "redis://h"], "--run-dir or SKYSAIL_RUN_DIR is needed"),
        (["--redis-url", "redis://h", "--run-dir", "/r", "--port", "x"], "port is 'x'; int was expected"),
        (["--redis-url", "redis://h", "--run-dir", "/r", "--idle-timeout-s", "x"], "idle_timeout_s is 'x'; float"),
        (["--redis-url", "redis://h", "--run-dir", "/r", "--lane", "maybe"], "lane is 'maybe'; on or off"),
    ],
)
def test_what_is_missing_or_of_the_wrong_type_is_named(arguments: list[str], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parsed(*arguments)
    assert expected in str(caught.value)
