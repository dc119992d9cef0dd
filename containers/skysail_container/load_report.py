"""What the process has to tell about how its model is served, for the version's status."""

import json
from pathlib import Path

__all__ = ["LoadReport", "report", "write_report"]

MAX_NOTES = 20
MAX_TEXT_CHARACTERS = 500
"""Of a note and of `served_by`; the rest is cut, for they stand in a record of the registry."""


class LoadReport:
    """Notes that loading leaves, in sentences for the model's owner, and what the model is served by.

    A process has one model and so one report. Only the thread that loads the model writes to it, before the process
    is ready; it is read after that.
    """

    def __init__(self) -> None:
        self._notes: list[str] = []
        self.served_by = ""
        """The library and its version that answers, as 'scikit-learn 1.9.1'."""

    @property
    def notes(self) -> list[str]:
        return list(self._notes)

    def note(self, text: str) -> None:
        """Adds a note, unless it is there already; beyond `MAX_NOTES` nothing is added."""
        shortened = text[:MAX_TEXT_CHARACTERS]
        if shortened not in self._notes and len(self._notes) < MAX_NOTES:
            self._notes.append(shortened)


report = LoadReport()
"""The process's own: loaders write `report.note("...")` and `report.served_by = "..."`."""


def write_report(path: Path, of: LoadReport, load_s: float) -> None:
    """Writes the report as JSON to `path`; whoever reads that file sees it whole or not at all.

    :raises OSError: it cannot be written.
    """
    values = {"served_by": of.served_by[:MAX_TEXT_CHARACTERS], "notes": of.notes, "load_s": round(load_s, 3)}
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(json.dumps(values))
    draft.replace(path)
