"""``python -m skysail_frontend.compiling``: translates the hot path to C, for the frontends that start from then on.

Needs the extra ``skysail-query-frontend[compile]``, a C compiler and Python's headers. Takes half a minute, or nothing
when what is there is current.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from skysail_frontend.compiled import DIGEST, FOLDER, MODULES, PACKAGE, SHARED_LIBRARY, digest

__all__ = ["main"]

BUILD = """
from mypyc.build import mypycify
from setuptools import setup
modules = mypycify({arguments!r}, opt_level="3", group_name={group!r})
setup(name="hot-path", ext_modules=modules, script_args=["--quiet", "build_ext", "--build-lib", {folder!r}])
"""


class CompilingError(Exception):
    """Nothing was compiled; the text says what is missing, or what the compiler said."""


def main() -> int:
    """0 when compiled modules are there, 1 with a reason on stderr."""
    try:
        if is_current():
            print("the compiled modules are current")
        else:
            _check_tools()
            print(f"compiling {len(MODULES)} modules of the query frontend (half a minute)", flush=True)
            with tempfile.TemporaryDirectory(prefix="skysail-compiling-") as folder:
                _install(_compile(Path(folder)))
    except (CompilingError, OSError) as error:
        sys.stderr.write(f"not compiled: {error}\n")
        return 1
    return 0


def is_current() -> bool:
    """Whether there is nothing to do."""
    recorded = FOLDER / DIGEST
    return recorded.exists() and recorded.read_text() == digest()


def _check_tools() -> None:
    if importlib.util.find_spec("mypyc") is None or importlib.util.find_spec("setuptools") is None:
        raise CompilingError("mypyc is missing: pip install 'skysail-query-frontend[compile]'")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise CompilingError("Python's headers are missing: apt-get install python3-dev")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise CompilingError(f"the C compiler {compiler} is missing: apt-get install build-essential")


def _compile(folder: Path) -> Path:
    """Compiles a copy of the package in `folder`; returns where the modules are."""
    package = folder / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns(FOLDER.name, "__pycache__"))
    (folder / "mypy.ini").write_text("[mypy]\npython_version = {}.{}\n".format(*sys.version_info))
    built = folder / "built"
    arguments = ["--config-file=mypy.ini", *(f"{PACKAGE.name}/{module}.py" for module in MODULES)]
    program = BUILD.format(arguments=arguments, group=PACKAGE.name, folder=str(built))
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilingError(f"the compiler failed:\n{done.stdout}{done.stderr}".rstrip())
    for library in built.glob(f"{SHARED_LIBRARY}*"):
        library.rename(built / PACKAGE.name / library.name)
    (built / PACKAGE.name / DIGEST).write_text(digest())
    return built / PACKAGE.name


def _install(built: Path) -> None:
    """Puts the new modules in place of old ones; a frontend that starts meanwhile finds either, or none."""
    (FOLDER / DIGEST).unlink(missing_ok=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(built, FOLDER, ignore=shutil.ignore_patterns(DIGEST))
    shutil.copy(built / DIGEST, FOLDER / DIGEST)


if __name__ == "__main__":
    sys.exit(main())
