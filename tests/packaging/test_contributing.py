"""CONTRIBUTING.md names the make targets that there are, and files that exist."""

import re

from harness.packaging import ROOT

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_its_table_lists_every_make_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    listed = set(re.findall(r"`make ([a-z-]+)`", CONTRIBUTING))
    assert listed == targets


def test_files_it_names_exist() -> None:
    named = set(re.findall(r"`((?:\.ci|docs|scripts|tests|k8s|monitoring)/[\w./-]*)`", CONTRIBUTING))
    named |= set(re.findall(r"`([A-Za-z-]+\.(?:md|toml|txt|yml))`", CONTRIBUTING)) - {"pyproject.toml", "errors.py"}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_changelog_has_a_place_for_what_is_not_released_yet() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[Unreleased\]$", changelog, re.MULTILINE)
    assert "keepachangelog.com" in changelog
