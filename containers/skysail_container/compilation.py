"""Translates the hot modules of a package to C: mypyc makes the source, setuptools calls the compiler."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from skysail_container.compiled_form import CompiledForm

__all__ = ["compile_form"]

BUILD = """
from mypyc.build import mypycify
from setuptools import Extension, setup
modules = mypycify({arguments!r}, opt_level="3", group_name={group!r})
modules += [Extension(name, [source], extra_compile_args={flags!r}) for name, source in {extensions!r}]
setup(name="hot-path", ext_modules=modules, script_args=["--quiet", "build_ext", "--build-lib", {folder!r}])
"""


class CompilingError(Exception):
    """Nothing was compiled; the text says what is missing, or what the compiler said."""


def compile_form(form: CompiledForm, extra: str) -> int:
    """Compiles what of the package is to be compiled, for the processes that start from then on. Takes half a minute,
    or nothing when what is there is current; needs a C compiler and Python's headers.

    :param extra: what pip has to be asked for where mypyc is missing, as `skysail-container[compile]`
    :return: the process's exit code: 0 when compiled modules are there, 1 with a reason on stderr
    """
    name = form.package.name
    try:
        if form.is_complete(form.folder / form.digest()):
            sys.stdout.write(f"the compiled modules of {name} are current\n")
        else:
            _check_tools(extra)
            sys.stdout.write(f"compiling {len(form.modules)} modules of {name} (half a minute)\n")
            sys.stdout.flush()
            with tempfile.TemporaryDirectory(prefix="skysail-compiling-") as folder:
                _install(form, _compiled(form, Path(folder)))
    except (CompilingError, OSError) as error:
        sys.stderr.write(f"{name} is not compiled: {error}\n")
        return 1
    return 0


def _check_tools(extra: str) -> None:
    for tool in ("mypyc", "setuptools"):
        if importlib.util.find_spec(tool) is None:
            raise CompilingError(f"{tool} is missing: pip install '{extra}'")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise CompilingError("Python's headers are missing: apt-get install python3-dev")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise CompilingError(f"the C compiler {compiler} is missing: apt-get install build-essential")


def _compiled(form: CompiledForm, folder: Path) -> Path:
    """Compiles a copy of the package in `folder`; returns where the modules are, in a folder named by its digest."""
    package = folder / form.package.name
    shutil.copytree(form.package, package, ignore=shutil.ignore_patterns(form.folder.name, "__pycache__"))
    (folder / "mypy.ini").write_text(
        "[mypy]\nignore_missing_imports = True\npython_version = {}.{}\n".format(*sys.version_info)
    )
    built = folder / "built"
    program = BUILD.format(
        arguments=["--config-file=mypy.ini", *(f"{package.name}/{module}.py" for module in form.modules)],
        group=package.name,
        extensions=[(f"{package.name}.{name}", f"{package.name}/{name}.c") for name in form.extensions],
        flags=["-O3", "-msse4.1"] if platform.machine() == "x86_64" else ["-O3"],  # every such processor since 2008
        folder=str(built),
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilingError(f"the compiler failed:\n{done.stdout}{done.stderr}".rstrip())
    for library in built.glob(f"{form.shared_library}*"):
        library.rename(built / package.name / library.name)
    digest = CompiledForm(package, form.modules, form.extensions).digest()
    return (built / package.name).rename(folder / digest)


def _install(form: CompiledForm, built: Path) -> None:
    """Puts the new modules in place of all others, complete from the moment on that they are there."""
    form.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=form.folder, prefix="new-") as folder:
        copied = shutil.copytree(built, Path(folder) / built.name)
        shutil.rmtree(form.folder / built.name, ignore_errors=True)  # incomplete, or nobody would compile
        copied.rename(form.folder / built.name)
    for other in form.folder.iterdir():
        if other.name == built.name:
            continue
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
        else:
            other.unlink(missing_ok=True)
