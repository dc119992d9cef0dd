"""What a model's requirements.txt may say. Pure: text in, checked lines out.

Allowed are requirements by name, with extras, versions, markers and hashes, and the options that choose between wheels
and sources. What names another place to install from (an index, a URL) is allowed only if the operator says so;
another file, a folder or an editable install never, since nothing but the artifact travels to this machine.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from skysail_management.errors import EnvironmentBuildError

__all__ = ["REQUIREMENTS_FILE", "Requirements", "parse_requirements"]

REQUIREMENTS_FILE = "requirements.txt"

_PLAIN_OPTIONS = {"--pre": 0, "--prefer-binary": 0, "--require-hashes": 0, "--only-binary": 1, "--no-binary": 1}
_INDEX_OPTIONS = {
    "-i": 1,
    "--index-url": 1,
    "--extra-index-url": 1,
    "-f": 1,
    "--find-links": 1,
    "--no-index": 0,
    "--trusted-host": 1,
}
"""Options with the number of values each takes."""

_COMMENT = re.compile(r"(^|\s+)#.*$")
_NAMED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)\Z")
_URL = re.compile(r"(?:[a-z][a-z0-9.+-]*\+)?(?P<scheme>[A-Za-z][A-Za-z0-9]*)://")
_ARCHIVE_SUFFIXES = (".whl", ".zip", ".tar", ".gz", ".bz2", ".xz", ".tgz")


@dataclass(frozen=True, slots=True)
class Requirements:
    """The checked lines, each with the number of the line that it begins at."""

    lines: tuple[tuple[int, str], ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The lines without what makes no difference: comments, blanks, where they stand."""
        return tuple(text for _, text in self.lines)

    @property
    def options(self) -> tuple[str, ...]:
        """The lines that are options of the whole file."""
        return tuple(text for text in self.texts if text.startswith("-"))

    @property
    def n_requirements(self) -> int:
        return len(self.lines) - len(self.options)

    @property
    def has_hashes(self) -> bool:
        """Whether pip will insist on a hash for everything that is installed along."""
        return any("--hash" in text or "--require-hashes" in text for text in self.texts)

    def file_text(self) -> str:
        """A requirements file that says the same with the same line numbers."""
        rows = [""] * (self.lines[-1][0] if self.lines else 0)
        for number, text in self.lines:
            rows[number - 1] = text
        return "".join(f"{row}\n" for row in rows)


def parse_requirements(text: str, *, may_name_indexes: bool) -> Requirements:
    """The lines of a requirements.txt.

    :raises EnvironmentBuildError: a line that is not allowed, with its number.
    """
    lines = tuple(_logical_lines(text))
    for number, line in lines:
        try:
            if line.startswith("-"):
                _check_options(line, may_name_indexes)
            else:
                _check_requirement(line, may_name_indexes)
        except ValueError as error:
            raise EnvironmentBuildError(f"{REQUIREMENTS_FILE}, line {number}: {line[:200]!r} {error}") from error
    return Requirements(lines)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as pip sees them: joined at a backslash, without comments, without blank ones."""
    begun: list[str] = []
    first = 1
    for number, row in enumerate([*text.splitlines(), ""], 1):
        first = first if begun else number
        begun.append(row.removesuffix("\\"))
        if row.endswith("\\") and not row.lstrip().startswith("#"):
            continue
        line = " ".join(_COMMENT.sub("", "".join(begun)).split())
        begun = []
        if line:
            yield first, line


def _check_options(line: str, may_name_indexes: bool) -> None:
    words = shlex.split(line)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name in _INDEX_OPTIONS:
            if not may_name_indexes:
                raise ValueError(
                    f"names where packages come from ({name}), which this server does not leave to models: "
                    "set the index in pip's configuration there, or start management with --index-options allowed"
                )
        elif name not in _PLAIN_OPTIONS:
            raise ValueError(f"is not allowed here: {_why_not(name)}")
        if (_INDEX_OPTIONS | _PLAIN_OPTIONS)[name] and not equals:
            value = words.pop(0) if words else ""
        if name in ("-i", "--index-url", "--extra-index-url", "-f", "--find-links"):
            _check_remote(value)


def _why_not(name: str) -> str:
    match name[:2] if not name.startswith("--") else name:
        case "-e" | "--editable":
            return "an editable install needs a source folder, and only the artifact is on the server"
        case "-r" | "--requirement" | "-c" | "--constraint":
            return "put the lines of the other file into this one"
        case _:
            return f"the option {name} is not one of {', '.join(sorted(_PLAIN_OPTIONS))}"


def _check_requirement(line: str, may_name_indexes: bool) -> None:
    requirement, *options = re.split(r"\s--", line)
    if others := [option for option in options if not option.startswith(("hash=", "hash "))]:
        raise ValueError(f"has the option --{others[0]}, and only --hash is allowed behind a requirement")
    named = _NAMED.match(requirement)
    url = named["rest"].removeprefix("@").strip() if named and named["rest"].startswith("@") else requirement
    if _URL.match(url) or (named and named["rest"].startswith("@")):
        _check_remote(url)
        if not may_name_indexes:
            raise ValueError(
                "is a URL, and this server does not leave it to models where packages come from: "
                "name a version that the index has, or start management with --index-options allowed"
            )
        return
    name = requirement.split(";")[0].strip()
    if "/" in name or "\\" in name or name.startswith(".") or name.endswith(_ARCHIVE_SUFFIXES):
        raise ValueError("is a path, and paths of another machine mean nothing on the server")
    if named is None or not re.match(r"$|[<>=!~(;]", named["rest"]):
        raise ValueError("is no requirement such as numpy==1.26.4")


def _check_remote(url: str) -> None:
    found = _URL.match(url)
    if found is None or found["scheme"].lower() not in ("http", "https", "ssh"):
        raise ValueError("is a path, and paths of another machine mean nothing on the server")
