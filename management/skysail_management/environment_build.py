"""Building one environment: a virtualenv, the resolved requirements, the link to our runtime, setup.sh."""

import json
import logging
import os
import re
import shutil
import stat
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skysail_management.environment_commands import CommandFailedError, Commands
from skysail_management.environment_request import SETUP_FILE, EnvironmentRequest, digest_of
from skysail_management.environment_requirements import Requirements
from skysail_management.errors import EnvironmentBuildError

__all__ = ["PROGRESS", "Building", "activated", "link_runtime"]

logger = logging.getLogger(__name__)

PROGRESS = "building its environment: "
"""How each line begins that tells of the progress; the backend shows the last one."""

_RUNTIME_FOLDER = "skysail_runtime"
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar=off")
_PACKAGE = re.compile(r"\s*(?:Collecting|Downloading|Using cached|Processing) (?P<what>\S+)(?P<size> \([\d.]+ .B\))?")
_STEP = re.compile(r"\s*(Building wheel for \S+|Installing collected packages)")
_SHOWN_LINE = 400


@dataclass(frozen=True, slots=True)
class Building:
    """One build in `folder`, an empty one."""

    request: EnvironmentRequest
    runtime: Sequence[str]
    folder: Path
    commands: Commands

    def make_virtualenv(self, interpreter: str) -> None:
        """:raises EnvironmentBuildError: this Python cannot make one."""
        _say(f"making a virtualenv of {interpreter}")
        try:
            self.commands.run([interpreter, "-m", "venv", str(self.folder)], self.folder)
        except CommandFailedError as error:
            hint = "; install it: apt-get install python3-venv" if "ensurepip" in "\n".join(error.tail) else ""
            raise _failure("no virtualenv could be made", error, hint) from error

    def resolve(self) -> list[str]:
        """The requirements of the model and of the runtime together, each at one version, as lines for pip.

        :raises EnvironmentBuildError: there are no such versions, or not together.
        """
        requirements = self.request.requirements or Requirements()
        _say(f"resolving {requirements.n_requirements} requirements and {len(self.runtime)} of the runtime")
        theirs = self._written("requirements.txt", requirements.file_text())
        ours = self._written("runtime.txt", "".join(f"{line}\n" for line in self.runtime))
        if not requirements.has_hashes:
            return _lines_of(self._resolved("-r", theirs, "-r", ours))
        pinned = self._resolved("-r", theirs)
        pins = "".join(f"{item['metadata']['name']}=={item['metadata']['version']}\n" for item in pinned)
        options = "".join(f"{line}\n" for line in requirements.options if line != "--require-hashes")
        rest = self._resolved("-r", self._written("ours.txt", options + "\n".join(self.runtime)), "-c",
                              self._written("pins.txt", pins))  # fmt: skip
        return _lines_of([*pinned, *(item for item in rest if not _is_among(item, pinned))])

    def _resolved(self, *files: str) -> list[dict[str, Any]]:
        report = self.folder / "report.json"
        self._pip("resolving", "--dry-run", "--ignore-installed", f"--report={report}", *files)
        items: list[dict[str, Any]] = json.loads(report.read_bytes())["install"]
        return items

    def key(self, resolved: Sequence[str]) -> str:
        """The environment's name: everything it is made of."""
        version = json.loads((self.folder / "python.json").read_bytes())
        facts = {"python": version, "platform": sysconfig.get_platform(), "resolved": list(resolved)}
        return digest_of(facts | {"runtime": sorted(self.runtime)} | self.request.own_facts())

    def describe_python(self) -> str:
        """The version of the environment's Python, which is part of its name."""
        code = "import sys, json; json.dump([sys.version, sys.base_prefix], open(sys.argv[1], 'w'))"
        path = self.folder / "python.json"
        self.commands.run([str(self.folder / "bin" / "python"), "-I", "-c", code, str(path)], self.folder)
        return str(json.loads(path.read_bytes())[0].split()[0])

    def install(self, resolved: Sequence[str]) -> None:
        """:raises EnvironmentBuildError: pip cannot."""
        _say(f"installing {len(resolved)} packages")
        options = self.request.requirements.options if self.request.requirements is not None else ()
        lines = [*(line for line in options if line != "--require-hashes"), *resolved]
        self._pip("fetching", "--no-deps", "-r", self._written("resolved.txt", "".join(f"{line}\n" for line in lines)))
        link_runtime(self.folder)
        (site_packages,) = self.folder.glob("lib/python3*/site-packages")
        (site_packages / f"{_RUNTIME_FOLDER}.pth").write_text(f"{self.folder / _RUNTIME_FOLDER}\n")

    def run_setup(self, artifact: Path) -> None:
        """Run the model's setup.sh in a copy of its folder that it may write to.

        :raises EnvironmentBuildError: it ended with another status than 0.
        """
        if self.request.setup is None:
            return
        _say(f"running {SETUP_FILE}")
        copy = self.folder / "setup"
        shutil.copytree(artifact, copy)
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IRWXU)
        try:
            self.commands.run(["bash", "-e", SETUP_FILE], copy, heed=logger.info, variables=activated(self.folder))
        except CommandFailedError as error:
            raise _failure(f"{SETUP_FILE} ended with exit status {error.status}", error) from error
        shutil.rmtree(copy)

    def _written(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _pip(self, doing: str, *arguments: str) -> None:
        pip = [str(self.folder / "bin" / "python"), *_PIP]
        try:
            self.commands.run([*pip, *arguments], self.folder, heed=_heed_pip(doing))
        except CommandFailedError as error:
            raise _failure("pip could not install what the model asks for", error) from error


def link_runtime(folder: Path) -> None:
    """Let the environment import our runtime, and nothing else of where that is installed.

    :raises EnvironmentBuildError: the runtime is not installed here.
    """
    spec = find_spec("skysail_container")
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentBuildError("skysail_container is not installed beside management")
    package = next(iter(spec.submodule_search_locations))
    link = folder / _RUNTIME_FOLDER / "skysail_container"
    if link.is_symlink() and str(link.readlink()) == package:
        return
    link.parent.mkdir(exist_ok=True)
    fresh = link.with_name(f"fresh-{os.getpid()}")
    fresh.symlink_to(package)
    fresh.rename(link)


def activated(folder: Path, path: str | None = None) -> dict[str, str]:
    """The variables that put an environment first."""
    before = os.environ.get("PATH", os.defpath) if path is None else path
    return {"VIRTUAL_ENV": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{before}"}


def _say(what: str) -> None:
    logger.info("%s%s", PROGRESS, what)


def _heed_pip(doing: str) -> Callable[[str], None]:
    """Tell of the lines of pip's output that say how far it is, each once in a row."""
    told = ""

    def heed(line: str) -> None:
        nonlocal told
        package, step = _PACKAGE.match(line), _STEP.match(line)
        if package is not None:
            told, before = f"{doing} {_package_name(package['what'])}{package['size'] or ''}", told
        elif step is not None:
            told, before = step[1].lower(), told
        else:
            return
        if told != before:
            _say(told)

    return heed


def _package_name(word: str) -> str:
    """`numpy 1.26.4` of a wheel's file; of anything else what stands behind its last slash."""
    file = word.rpartition("/")[2]
    return " ".join(file.split("-")[:2]) if file.endswith(".whl") else file


def _lines_of(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines that have pip install exactly these, by their hashes if every one has a hash."""
    named = sorted((_line_of(item), _hash_of(item)) for item in items)
    if all(digest for _, digest in named):
        return [f"{line} --hash=sha256:{digest}" for line, digest in named]
    return [line for line, _ in named]


def _line_of(item: Mapping[str, Any]) -> str:
    metadata, source = item["metadata"], item["download_info"]
    if not item["is_direct"]:
        return f"{metadata['name']}=={metadata['version']}"
    vcs = source.get("vcs_info")
    address = f"{vcs['vcs']}+{source['url']}@{vcs['commit_id']}" if vcs else source["url"]
    return f"{metadata['name']} @ {address}"


def _hash_of(item: Mapping[str, Any]) -> str:
    digest: str = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", "")
    return digest


def _is_among(item: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    def name(one: Mapping[str, Any]) -> str:
        return re.sub(r"[-_.]+", "-", one["metadata"]["name"]).lower()

    return name(item) in {name(other) for other in others}


def _failure(what: str, error: CommandFailedError, hint: str = "") -> EnvironmentBuildError:
    """The error with what the program said last; pip's own sentence first, which is the last that begins so."""
    lines = [_shortened(line) for line in error.tail]
    begins = [number for number, line in enumerate(lines) if re.match("ERROR: (?!ResolutionImpossible)", line)]
    said = "\n".join(lines[begins[0] if begins else -12 :])
    reason = lines[begins[-1]].removeprefix("ERROR:").strip() if begins else (lines[-1] if lines else "it said nothing")
    failure = EnvironmentBuildError(f"{what}: {reason}{hint}")
    failure.add_note(said)
    return failure


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN_LINE else f"{line[: _SHOWN_LINE - 100]} … {line[-90:]}"
