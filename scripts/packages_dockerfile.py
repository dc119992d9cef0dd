"""Writes a Dockerfile that adds the Debian packages of models' packages.txt to an image of Skysail.

    python3 scripts/packages_dockerfile.py MODEL... | docker build -t skysail/management:0.1.0-packages -

MODEL is a model folder or a `.skysail` file. `--base` is the image to add them to: management's, where models run as
its processes, or `skysail/container:0.1.0` for a container of its own. Needs nothing but Python.
"""

import argparse
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["PackagesError", "package_names", "packages_dockerfile", "packages_text"]

BASE = "skysail/management:0.1.0"
USER = "10001:10001"
"""What the images run as."""

PACKAGES_FILE = "packages.txt"
MAX_BYTES = 1 << 20

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?\Z")
"""As management checks them (skysail_management.environment_packages)."""

_IMAGE = re.compile(r"[A-Za-z0-9][\w./:@-]*\Z")


class PackagesError(Exception):
    """A model or an image that no Dockerfile can be made for."""


def packages_text(model: Path) -> str:
    """The packages.txt of a model folder or `.skysail` file.

    :raises PackagesError: it has none, or is neither.
    """
    try:
        if model.is_dir():
            data = (model / PACKAGES_FILE).read_bytes()
        else:
            with zipfile.ZipFile(model) as archive, archive.open(PACKAGES_FILE) as file:
                data = file.read(MAX_BYTES)
        return data.decode()
    except (FileNotFoundError, KeyError) as error:
        raise PackagesError(f"{model} is not there or has no {PACKAGES_FILE}") from error
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError) as error:
        raise PackagesError(f"{model} cannot be read: {error}") from error


def package_names(text: str) -> list[str]:
    """The names in a packages.txt: one on a line, `#` begins a comment.

    :raises PackagesError: a line that is no name of a Debian package, with its number.
    """
    names = []
    for number, row in enumerate(text.splitlines(), 1):
        name = row.partition("#")[0].strip()
        if name and not _NAME.match(name):
            raise PackagesError(f"{PACKAGES_FILE}, line {number}: {name[:100]!r} is not the name of a Debian package")
        if name:
            names.append(name)
    return names


def packages_dockerfile(base: str, names: Sequence[str]) -> str:
    """A Dockerfile that needs no files beside it; the same packages give the same text.

    :raises PackagesError: no packages, or `base` is no image's name.
    """
    if not _IMAGE.match(base):
        raise PackagesError(f"{base!r} is not the name of an image")
    if not names:
        raise PackagesError(f"no package is named in {PACKAGES_FILE}")
    install = " ".join(sorted(set(names)))
    return (
        f"FROM {base}\n"
        "USER root\n"
        "RUN apt-get update \\\n"
        f" && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {install} \\\n"
        " && rm -rf /var/lib/apt/lists/*\n"
        f"USER {USER}\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the Dockerfile; 2 and one line on stderr when there is none to print."""
    parser = argparse.ArgumentParser(description="A Dockerfile that adds the packages of models' packages.txt.")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="a model folder or a .skysail file")
    parser.add_argument("--base", default=BASE, help=f"the image to add them to (default: {BASE})")
    given = parser.parse_args(arguments)
    try:
        names = [name for model in given.models for name in package_names(packages_text(model))]
        sys.stdout.write(packages_dockerfile(given.base, names))
    except PackagesError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
