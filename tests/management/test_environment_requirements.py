"""What a requirements.txt may say."""

import pytest

from skysail_management.environment_requirements import parse_requirements
from skysail_management.errors import EnvironmentBuildError

ALLOWED = """\
# what the model needs
numpy==1.26.4          # pinned
scikit-learn >=1.5, <2
uvicorn[standard,extra]~=0.34; python_version >= "3.11"
Jinja2
msgpack (>=1.1)
--pre
--only-binary :all:
--no-binary=lightgbm

cloudpickle==3.1.2 \\
    --hash=sha256:9acb47f6afd73f60dc1df93bb801b472f05ff42fa6c84167d25cb206be1fbf4a \\
    --hash sha256:0000000000000000000000000000000000000000000000000000000000000000
"""


def test_requirements_keep_their_line_numbers_and_lose_what_makes_no_difference() -> None:
    parsed = parse_requirements(ALLOWED, may_name_indexes=False)
    assert [number for number, _ in parsed.lines] == [2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert parsed.texts[:2] == ("numpy==1.26.4", "scikit-learn >=1.5, <2")
    assert parsed.options == ("--pre", "--only-binary :all:", "--no-binary=lightgbm")
    assert parsed.n_requirements == 6
    assert parsed.has_hashes
    assert parsed.file_text().splitlines()[10] == parsed.texts[-1]
    again = parse_requirements(parsed.file_text(), may_name_indexes=False)
    assert again == parsed


def test_a_file_of_comments_asks_for_nothing() -> None:
    parsed = parse_requirements("# nothing \\\n\n   # at all\n", may_name_indexes=False)
    assert (parsed.lines, parsed.file_text(), parsed.has_hashes) == ((), "", False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-r other.txt", "put the lines of the other file into this one"),
        ("-rother.txt", "put the lines of the other file into this one"),
        ("--constraint=c.txt", "put the lines of the other file into this one"),
        ("-c c.txt", "put the lines of the other file into this one"),
        ("-e .", "an editable install needs a source folder"),
        ("--editable ../lib", "an editable install needs a source folder"),
        ("--index-url https://index.example/simple", "names where packages come from (--index-url)"),
        ("-i https://index.example/simple", "names where packages come from (-i)"),
        ("--pre --extra-index-url https://index.example", "names where packages come from (--extra-index-url)"),
        ("--find-links https://files.example", "names where packages come from (--find-links)"),
        ("--trusted-host index.example", "names where packages come from (--trusted-host)"),
        ("--index https://index.example", "the option --index is not one of"),
        ("--target /tmp", "the option --target is not one of"),
        ("numpy==1.26.4 --global-option=x", "has the option --global-option=x"),
        ("./vendor/lib", "is a path"),
        ("/home/me/lib.whl", "is a path"),
        ("lib-1.0-py3-none-any.whl", "is a path"),
        ("lib.tar.gz", "is a path"),
        ("vendor/lib", "is a path"),
        ("lib @ file:///home/me/lib", "is a path"),
        ("lib @ ../lib", "is a path"),
        ("file:///home/me/lib", "is a path"),
        ("lib @ https://files.example/lib.whl", "is a URL"),
        ("git+https://git.example/lib.git", "is a URL"),
        ("numpy 1.26.4", "is no requirement such as"),
        ("$(reboot)", "is no requirement such as"),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_line(line: str, reason: str) -> None:
    with pytest.raises(EnvironmentBuildError) as caught:
        parse_requirements(f"numpy\n\n{line}\n", may_name_indexes=False)
    assert str(caught.value).startswith("requirements.txt, line 3: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://user:secret@index.example/simple",
        "-i http://index.example",
        "--extra-index-url=https://index.example",
        "--find-links https://files.example --no-index",
        "--trusted-host index.example",
        "lib @ https://files.example/lib-1.0-py3-none-any.whl",
        "lib[extra] @ git+ssh://git@git.example/lib.git@v1",
        "https://files.example/lib-1.0.tar.gz",
    ],
)
def test_where_packages_come_from_may_be_named_where_the_operator_allows_it(line: str) -> None:
    assert parse_requirements(line, may_name_indexes=True).texts == (line,)


@pytest.mark.parametrize("line", ["-f ./wheels", "--index-url file:///home/me", "lib @ file:///x", "./lib", "-e ."])
def test_paths_are_refused_even_there(line: str) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"requirements\.txt, line 1"):
        parse_requirements(line, may_name_indexes=True)
