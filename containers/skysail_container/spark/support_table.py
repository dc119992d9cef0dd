"""What can be scored, as a table for documents, made of the registry.

`python -m skysail_container.spark.support_table` prints it; with a Markdown file's name it is put between that page's
two markers.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from skysail_container.spark.mleap.operators import OPERATORS, REFUSED
from skysail_container.spark.registry import StageKind, known_stages

__all__ = ["BEGIN", "END", "main", "support_tables", "with_tables"]

BEGIN = "<!-- made by python -m skysail_container.spark.support_table: begin -->"
END = "<!-- end -->"

_GROUPS = {
    "ml": "Containers",
    "tuning": "Containers",
    "feature": "Features",
    "classification": "Classification",
    "regression": "Regression",
    "clustering": "Clustering",
    "recommendation": "Recommendation",
    "fpm": "Frequent patterns",
}
_HEAD = "| class | parameters that scoring follows | files of Spark | exactness |\n|---|---|---|---|"


def support_tables() -> str:
    """A Markdown table per package of Spark, a line per class that Spark itself defines, and MLeap's operators.

    What PySpark saves under a name of its own, as it does pipelines with stages in Python, is in that class's line.
    """
    kinds = [kind for kind in known_stages() if kind.spark_class.startswith("org.apache.spark.ml.")]
    in_order = sorted(kinds, key=lambda kind: (list(_GROUPS.values()).index(_group(kind)), _simple_name(kind)))
    tables = [
        f"### {group}\n\n{_HEAD}\n" + "\n".join(map(_line, members)) for group, members in groupby(in_order, _group)
    ]
    return "\n\n".join([*tables, f"### Operators of MLeap\n\n{_operators()}"])


def _operators() -> str:
    """Those that are scored, then those that are refused."""
    scored = {name: (f"as {one.stage.spark_name}", one.note) for name, one in OPERATORS.items()}
    scored["pipeline"] = ("as PipelineModel", "")
    refused = {name: ("refused", reason) for name, reason in REFUSED.items()}
    lines = [
        f"| `{name}` | {how} | {note} |" for names in (scored, refused) for name, (how, note) in sorted(names.items())
    ]
    return "| operator | is scored | remarks |\n|---|---|---|\n" + "\n".join(lines)


def _group(kind: StageKind) -> str:
    return _GROUPS[kind.spark_class.split(".")[-2]]


def _simple_name(kind: StageKind) -> str:
    return kind.spark_class.rpartition(".")[2]


def _line(kind: StageKind) -> str:
    parameters = ", ".join([f"`{name}`" for name in _scoring_parameters(kind)]) or "none"
    return f"| {_simple_name(kind)} | {parameters} | {kind.since} to 4.x | {kind.exactness} |"


def _scoring_parameters(kind: StageKind) -> Iterator[str]:
    """Columns last, since every stage has some."""
    own = sorted(kind.parameters)
    yield from [name for name in own if not name.endswith(("Col", "Cols"))]
    yield from [name for name in own if name.endswith(("Col", "Cols"))]


def with_tables(page: str) -> str:
    """The page with today's tables between its markers.

    :raises ValueError: it has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the tables, between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{support_tables()}\n\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        sys.stdout.write(support_tables() + "\n")
        return 0
    path = Path(arguments[0])
    path.write_text(with_tables(path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
