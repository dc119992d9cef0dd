"""The hot path translated to C, on copies of the package; one of them is compiled, of which only one small module."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skysail_frontend
from harness.frontend_rig import FrontendRig
from harness.wait_until import wait_until
from skysail_frontend import compiled

pytestmark = pytest.mark.xdist_group("compiled")  # one worker compiles once for all of them

PACKAGE = Path(skysail_frontend.__file__).parent
COMPILE = "import sys; {arrange}; from skysail_frontend import compiling; sys.exit(compiling.main())"
REPORT = """
import sys
from skysail_frontend import compiled, sliding_minimum
minimum = sliding_minimum.SlidingMinimum(2)
print("compiled" if compiled.FORM.is_in_use() else "interpreted", sliding_minimum.__file__)
"""


def run(folder: Path, program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs `program` with the copy of the package in `folder`."""
    plain = {name: value for name, value in os.environ.items() if name not in ("SKYSAIL_COMPILED", "CC")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**plain, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )


def what_runs(folder: Path, **environment: str) -> str:
    """Whether a fresh process runs the copy's modules compiled or interpreted; it may not complain."""
    done = run(folder, REPORT, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    word, path = done.stdout.split()
    assert path.startswith(str(folder))
    assert path.endswith(".py") == (word == "interpreted")
    return word


def libraries(folder: Path) -> dict[str, Path]:
    """The files of a compilation, by the name of the module."""
    paths = (folder / PACKAGE.name / compiled.FORM.folder.name).glob("*/*.so")
    return {path.name.partition(".")[0]: path for path in paths}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the package, which is not compiled; its only module to compile is a small one."""
    package = tmp_path / "copy" / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns(compiled.FORM.folder.name, "__pycache__"))
    source = (package / "compiled.py").read_text()
    source, n_replaced = re.subn(r"^MODULES = \(.*?\)", 'MODULES = ("sliding_minimum",)', source, flags=re.M | re.S)
    assert n_replaced == 1
    (package / "compiled.py").write_text(source)
    return package.parent


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("template") / "copy"


@pytest.fixture
def compiled_copy(copy: Path, template: Path) -> Path:
    """The same, compiled; by the first test that asks for it."""
    if not template.exists():
        done = run(copy, COMPILE.format(arrange="pass"))
        if "missing" in done.stderr:
            pytest.skip(f"nothing can be compiled here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        shutil.copytree(copy, template)
    shutil.rmtree(copy)
    shutil.copytree(template, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_compiled_modules_are_used_while_their_sources_are_what_they_were(compiled_copy: Path) -> None:
    assert set(libraries(compiled_copy)) == {"sliding_minimum", *compiled.FORM.extensions, compiled.FORM.shared_library}
    assert what_runs(compiled_copy) == "compiled"


@pytest.mark.parametrize("name", ["sliding_minimum", "errors"])
def test_the_source_is_used_once_a_source_has_changed_and_the_old_ones_again_when_it_is_undone(
    compiled_copy: Path, name: str
) -> None:
    source = compiled_copy / PACKAGE.name / f"{name}.py"
    before = source.read_text()
    source.write_text(before + "# a remark\n")
    assert what_runs(compiled_copy) == "interpreted"
    source.write_text(before)
    assert what_runs(compiled_copy) == "compiled"


def test_the_source_is_used_once_a_source_was_added(compiled_copy: Path) -> None:
    (compiled_copy / PACKAGE.name / "addition.py").touch()
    assert what_runs(compiled_copy) == "interpreted"


def test_the_environment_can_leave_compiled_modules_out(compiled_copy: Path) -> None:
    assert what_runs(compiled_copy, SKYSAIL_COMPILED="off") == "interpreted"


def test_what_another_python_compiled_is_not_used(compiled_copy: Path) -> None:
    pretend = "import sys; sys.version += ' of another build'\n"
    assert run(compiled_copy, pretend + REPORT).stdout.startswith("interpreted ")


def test_without_anything_compiled_the_source_is_used(copy: Path) -> None:
    assert what_runs(copy) == "interpreted"


@pytest.mark.parametrize("name", ["sliding_minimum", compiled.FORM.shared_library])
@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_the_source_is_used_when_a_file_of_the_compiled_modules_is_missing(
    compiled_copy: Path, name: str, damage: str
) -> None:
    library = libraries(compiled_copy)[name]
    library.unlink()
    if damage == "empty":
        library.touch()
    assert what_runs(compiled_copy) == "interpreted"
    done = run(compiled_copy, COMPILE.format(arrange="pass"), CC="no-such-compiler")
    assert done.returncode == 1  # and it is not taken for current


def test_the_source_is_used_with_a_warning_when_the_shared_library_cannot_be_loaded(compiled_copy: Path) -> None:
    libraries(compiled_copy)[compiled.FORM.shared_library].write_text("not a library")
    done = run(compiled_copy, REPORT)
    assert done.returncode == 0
    assert done.stdout.startswith("interpreted ")
    (line,) = done.stderr.splitlines()
    assert "the compiled modules cannot be used, their source is: " in line


def test_a_second_run_finds_the_compiled_modules_current(compiled_copy: Path) -> None:
    done = run(compiled_copy, COMPILE.format(arrange="pass"), CC="no-such-compiler")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "the compiled modules of skysail_frontend are current\n",
        "",
    )


def test_a_new_compilation_takes_the_place_of_whatever_was_there(compiled_copy: Path) -> None:
    folder = compiled_copy / PACKAGE.name / compiled.FORM.folder.name
    (folder / "digest").touch()
    (folder / "new-given-up").mkdir()
    source = compiled_copy / PACKAGE.name / "sliding_minimum.py"
    source.write_text(source.read_text() + "# a remark\n")
    done = run(compiled_copy, COMPILE.format(arrange="pass"))
    assert (done.returncode, done.stderr) == (0, "")
    assert what_runs(compiled_copy) == "compiled"
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        ("sys.modules['mypyc'] = None", "mypyc is missing: pip install 'skysail-query-frontend[compile]'"),
        ("sys.modules['setuptools'] = None", "setuptools is missing: pip install 'skysail-query-frontend[compile]'"),
        (
            "import sysconfig; sysconfig.get_path = lambda name: '/nowhere'",
            "Python's headers are missing: apt-get install python3-dev",
        ),
        (
            "import os; os.environ['CC'] = 'no-such-cc -pthread'",
            "the C compiler no-such-cc is missing: apt-get install build-essential",
        ),
    ],
    ids=["mypyc", "setuptools", "headers", "compiler"],
)
def test_compiling_says_in_one_line_what_is_missing(copy: Path, arrange: str, said: str) -> None:
    done = run(copy, COMPILE.format(arrange=arrange))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"skysail_frontend is not compiled: {said}\n")
    assert what_runs(copy) == "interpreted"


def test_what_the_compiler_says_is_shown_and_nothing_is_left_behind(copy: Path) -> None:
    source = copy / PACKAGE.name / "sliding_minimum.py"
    source.write_text(source.read_text() + "\n\ndef wrong() -> int:\n    return ''\n")
    done = run(copy, COMPILE.format(arrange="pass"))
    if "missing" in done.stderr:
        pytest.skip(f"nothing can be compiled here: {done.stderr.strip()}")
    assert done.returncode == 1
    assert done.stderr.startswith("skysail_frontend is not compiled: the compiler failed:\n")
    assert "Incompatible return value type" in done.stderr
    assert libraries(copy) == {}


def test_the_modules_to_compile_are_there() -> None:
    assert [name for name in compiled.MODULES if not (PACKAGE / f"{name}.py").exists()] == []


def test_every_worker_says_in_its_log_which_form_it_runs(rig: FrontendRig) -> None:
    form = "compiled" if compiled.FORM.is_in_use() else "interpreted"
    with rig.own_frontend("--workers=2") as frontend:

        def said() -> list[tuple[str, str]]:
            return sorted(re.findall(r"frontend worker (\d) \(pid \d+\): the hot path runs (\w+)", frontend.log))

        wait_until(lambda: said() == [("0", form), ("1", form)], "a line of each worker")
