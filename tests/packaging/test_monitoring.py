"""Prometheus scrapes what compose runs, and the rules use metrics that the processes have."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.packaging import ROOT, compose_file
from skysail_frontend.metrics import DESCRIPTIONS

MONITORING = ROOT / "monitoring"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
SERIES = {name + suffix for name, description in DESCRIPTIONS.items() for suffix in SUFFIXES[description.kind]}


def rules() -> list[dict[str, Any]]:
    files = sorted((MONITORING / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def scrape_jobs() -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    return jobs


def test_every_scraped_address_is_a_service_of_the_compose_file_and_its_port() -> None:
    services = compose_file()["services"]
    for job in scrape_jobs():
        for target in job["static_configs"][0]["targets"]:
            host, port = target.split(":")
            assert services[host]["environment"]["SKYSAIL_PORT"] == port
            assert set(services[host]["networks"]) & set(services["prometheus"]["networks"])


def test_management_is_scraped_with_its_token_from_the_mounted_secret() -> None:
    (job,) = [job for job in scrape_jobs() if job["job_name"] == "skysail-management"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/token"}
    assert compose_file()["services"]["prometheus"]["secrets"] == ["token"]


def test_rules_use_only_metrics_of_the_frontend_and_figures_recorded_before() -> None:
    recorded: set[str] = {"up"}
    for rule in rules():
        names = set(re.findall(r"[a-z_]*:?\bskysail_[a-z_]+(?::[a-z0-9_]+)?|\bup\b", rule["expr"]))
        assert names, rule
        assert names <= SERIES | recorded, names - SERIES - recorded
        recorded.add(rule.get("record", "up"))


def test_every_alert_has_a_severity_and_says_what_it_means() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert set(alert["annotations"]) == {"summary", "description"}
        assert "for" in alert


def test_alerts_about_a_scrape_job_name_one_that_exists() -> None:
    named = {job for rule in rules() for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert named <= {job["job_name"] for job in scrape_jobs()}


def test_promtool_accepts_configuration_and_rules_and_the_alerts_fire_as_written(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; scripts/try-compose.sh runs it from Prometheus's image")
    shutil.copytree(MONITORING / "rules", tmp_path / "rules")
    shutil.copy(Path(__file__).parent / "prometheus_rules_test.yml", tmp_path)
    for arguments in (
        ["check", "config", "--syntax-only", str(MONITORING / "prometheus.yml")],
        ["check", "rules", str(tmp_path / "rules" / "skysail.yml")],
        ["test", "rules", str(tmp_path / "prometheus_rules_test.yml")],
    ):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
