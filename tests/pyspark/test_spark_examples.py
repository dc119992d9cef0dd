"""examples/spark: each trains, deploys to a stack and is answered as Spark answers."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.console_document import Step, run_step, stack_environment
from skysail_admin import Skysail

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 200.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Management's and the frontend's address in a stack of this module's own."""
    with stack_environment() as environment:
        run_step(Step("skysail up --detach", []), environment, EXAMPLES, LIMIT_S)
        ports = (environment["SKYSAIL_MANAGEMENT_PORT"], environment["SKYSAIL_QUERY_PORT"])
        yield f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"


def said_by(example: str, urls: tuple[str, str]) -> str:
    command = [sys.executable, str(EXAMPLES / "spark" / f"{example}.py"), *urls]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def check_parity(urls: tuple[str, str], model: str) -> None:
    """The scorer serves it, and was compared with Spark's answers."""
    with Skysail(*urls) as skysail:
        version = skysail.version(model, 1)
    assert version.served_by.startswith("native Spark scorer")
    assert any("validation" in note for note in version.notes), version.notes


def test_wines_are_told_over_rest_as_spark_tells_them(urls: tuple[str, str]) -> None:
    found = re.search(r"(\d+) of (\d+) wines told right over REST; (\d+) as Spark tells them", said_by("tabular", urls))
    assert found is not None
    right, n_wines, equal = map(int, found.groups())
    assert equal == n_wines
    assert right > 0.8 * n_wines
    check_parity(urls, "spark-wines")


def test_a_line_of_text_is_told_by_what_it_is_about(urls: tuple[str, str]) -> None:
    assert "is about iris" in said_by("text", urls)
    check_parity(urls, "spark-text")


def test_films_are_recommended_and_strangers_get_the_default_output(urls: tuple[str, str]) -> None:
    said = said_by("recommender", urls)
    assert re.search(r"person 7 should see film \d+, worth \d\.\d stars", said)
    assert "of a stranger nothing is known: default output True" in said
    check_parity(urls, "spark-films")
