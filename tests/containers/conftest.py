"""What every test of the container's package begins with."""

import pytest

from skysail_container.load_report import report


@pytest.fixture(autouse=True)
def an_empty_load_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process serves one model, a test process loads hundreds: the report keeps only the first notes of them all."""
    monkeypatch.setattr(report, "_notes", [])
    monkeypatch.setattr(report, "served_by", "")
