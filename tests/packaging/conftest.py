"""A copy of k8s/ as a deployer has it, with a token."""

import shutil
from pathlib import Path

import pytest

from harness.packaging import ROOT


@pytest.fixture
def dev_overlay(tmp_path: Path) -> Path:
    """The dev overlay in a copy of k8s/."""
    copied = tmp_path / "k8s"
    shutil.copytree(ROOT / "k8s", copied, ignore=shutil.ignore_patterns("token.env"))
    (copied / "overlays" / "dev" / "token.env").write_text("SKYSAIL_TOKEN=a-token-for-tests\n")
    return copied / "overlays" / "dev"
