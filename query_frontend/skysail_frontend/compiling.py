"""``python -m skysail_frontend.compiling``: translates the hot path to C, for the frontends that start from then on.

Needs the extra ``skysail-query-frontend[compile]``, a C compiler and Python's headers. Takes half a minute, or nothing
when what is there is current.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from skysail_frontend.compiled import EXTENSION, FOLDER, MODULES, PACKAGE, SHARED_LIBRARY, digest, is_complete

__all__ = ["main"]

BUILD = """
from mypyc.build import mypycify
from setuptools import Extension, setup
modules = mypycify({arguments!r}, opt_level="3", group_name={group!r})
reader = Extension({extension!r}, [{source!r}], extra_compile_args={flags!r})
setup(name="hot-path", ext_modules=[*modules, reader], script_args=["--quiet", "build_ext", "--build-lib", {folder!r}])
"""


class CompilingError(Exception):
    """Nothing was compiled; the text says what is missing, or what the compiler said."""


def main() -> int:
    """0 when compiled modules are there, 1 with a reason on stderr."""
    try:
        if is_current():
            sys.stdout.write("the compiled modules are current\n")
        else:
            _check_tools()
            sys.stdout.write(f"compiling {len(MODULES)} modules of the query frontend (half a minute)\n")
            sys.stdout.flush()
            with tempfile.TemporaryDirectory(prefix="skysail-compiling-") as folder:
                _install(_compile(Path(folder)))
    except (CompilingError, OSError) as error:
        sys.stderr.write(f"not compiled: {error}\n")
        return 1
    return 0


def is_current() -> bool:
    """Whether there is nothing to do."""
    return is_complete(FOLDER / digest(PACKAGE))


def _check_tools() -> None:
    for tool in ("mypyc", "setuptools"):
        if importlib.util.find_spec(tool) is None:
            raise CompilingError(f"{tool} is missing: pip install 'skysail-query-frontend[compile]'")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise CompilingError("Python's headers are missing: apt-get install python3-dev")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise CompilingError(f"the C compiler {compiler} is missing: apt-get install build-essential")


def _compile(folder: Path) -> Path:
    """Compiles a copy of the package in `folder`; returns where the modules are, in a folder named by its digest."""
    package = folder / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns(FOLDER.name, "__pycache__"))
    (folder / "mypy.ini").write_text("[mypy]\npython_version = {}.{}\n".format(*sys.version_info))
    built = folder / "built"
    arguments = ["--config-file=mypy.ini", *(f"{PACKAGE.name}/{module}.py" for module in MODULES)]
    program = BUILD.format(
        arguments=arguments,
        group=PACKAGE.name,
        extension=f"{PACKAGE.name}.{EXTENSION}",
        source=f"{PACKAGE.name}/{EXTENSION}.c",
        flags=["-O3", "-msse4.1"] if platform.machine() == "x86_64" else ["-O3"],  # every such processor since 2008
        folder=str(built),
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilingError(f"the compiler failed:\n{done.stdout}{done.stderr}".rstrip())
    for library in built.glob(f"{SHARED_LIBRARY}*"):
        library.rename(built / PACKAGE.name / library.name)
    return (built / PACKAGE.name).rename(folder / digest(package))


def _install(built: Path) -> None:
    """Puts the new modules in place of all others, complete from the moment on that they are there."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="new-") as folder:
        copied = shutil.copytree(built, Path(folder) / built.name)
        shutil.rmtree(FOLDER / built.name, ignore_errors=True)  # incomplete, or nobody would compile
        copied.rename(FOLDER / built.name)
    for other in FOLDER.iterdir():
        if other.name == built.name:
            continue
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
        else:
            other.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
