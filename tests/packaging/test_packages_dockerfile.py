"""scripts/packages_dockerfile.py: the Dockerfile for models with a packages.txt."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.packaging import ROOT, Instruction, compose_file, dockerfile
from skysail_admin.packing.artifact import packed
from skysail_management.environment_packages import package_names

SCRIPT = ROOT / "scripts" / "packages_dockerfile.py"
MANAGEMENT = compose_file()["services"]["management"]["image"]


def ran(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def model(folder: Path, packages: str | None) -> Path:
    folder.mkdir()
    (folder / "model.py").write_text("def predict(rows): return rows\n")
    if packages is not None:
        (folder / "packages.txt").write_text(packages)
    return folder


def instructions(text: str, folder: Path) -> list[Instruction]:
    (folder / "Dockerfile").write_text(text)
    return dockerfile(folder / "Dockerfile")


def test_it_installs_every_models_packages_as_root_and_leaves_the_images_own_user(tmp_path: Path) -> None:
    one, other = model(tmp_path / "one", "# sound\nlibsndfile1\n\nffmpeg # and video\n"), tmp_path / "other.skysail"
    with packed(model(tmp_path / "other", "libgomp1\nffmpeg\n"), "doubles") as artifact:
        other.write_bytes(artifact.path.read_bytes())
    done = ran(one, other)
    assert (done.returncode, done.stderr) == (0, "")
    install = "apt-get install -y --no-install-recommends ffmpeg libgomp1 libsndfile1 "
    user = [one for one in dockerfile(ROOT / "management" / "Dockerfile") if one.name == "USER"][-1]
    found = instructions(done.stdout, tmp_path)
    assert [one.name for one in found] == ["FROM", "USER", "RUN", "USER"]
    assert (found[0].arguments, found[1].arguments, found[3]) == (MANAGEMENT, "root", user)
    assert found[2].arguments.startswith("apt-get update && ")
    assert install in found[2].arguments
    assert found[2].arguments.endswith("&& rm -rf /var/lib/apt/lists/*")
    assert ran(other, one).stdout == done.stdout


def test_the_shell_takes_the_command_as_it_is_meant(tmp_path: Path) -> None:
    done = ran(model(tmp_path / "m", "libstdc++6\nlibgomp1:amd64\n"), "--base", "skysail/container:0.1.0")
    base, _, run, _ = instructions(done.stdout, tmp_path)
    assert base.arguments == "skysail/container:0.1.0"
    for name in ("apt-get", "rm"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" $DEBIAN_FRONTEND\n')
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", "-efc", run.arguments]  # without globs, and with no other programs than these
    said = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [
        "apt-get update",
        "apt-get install -y --no-install-recommends libgomp1:amd64 libstdc++6 noninteractive",
        "rm -rf /var/lib/apt/lists/*",
    ]


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ("libgomp1\nx; rm -rf /\n", "line 2: 'x; rm -rf /' is not the name of a Debian package"),
        ("--allow-unauthenticated\n", "line 1"),
        ("$(id)\n", "line 1"),
        ("# nothing\n", "no package is named in packages.txt"),
        (None, "has no packages.txt"),
    ],
)
def test_what_is_no_package_gives_no_dockerfile(tmp_path: Path, packages: str | None, said: str) -> None:
    done = ran(model(tmp_path / "m", packages))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_image_that_has_no_images_name_and_a_file_that_is_no_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.skysail").write_bytes(b"no zip")
    assert "m.skysail cannot be read" in ran(tmp_path / "m.skysail").stderr
    assert "is not there" in ran(tmp_path / "nowhere").stderr
    assert "is not the name of an image" in ran(model(tmp_path / "m", "libgomp1\n"), "--base", "a\nRUN b").stderr


def test_it_reads_a_packages_txt_as_management_does(tmp_path: Path) -> None:
    text = "libgomp1\n  libsndfile1   # sound\n\n#none\nlibc6:amd64\n"
    found = instructions(ran(model(tmp_path / "m", text)).stdout, tmp_path)
    installed = found[2].arguments.partition("recommends ")[2].partition(" &&")[0].split()
    assert installed == sorted(package_names(text))


def test_the_dockerfile_of_the_document_is_the_one_that_is_written(tmp_path: Path) -> None:
    shown = (ROOT / "docs" / "deploy.md").read_text().partition("```dockerfile\n")[2].partition("```")[0]
    assert shown == ran(model(tmp_path / "m", "libsndfile1\nlibgomp1\n")).stdout
