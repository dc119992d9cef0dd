"""The launcher with real pip: what it builds, what is left when it fails or is killed, and who waits for whom."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.container_client import connected, doubles
from harness.container_process import ContainerProcess
from harness.environment_launcher import launched, model_folder
from skysail_container.wire import Strings

pytestmark = [pytest.mark.environments, pytest.mark.xdist_group("environments"), pytest.mark.timeout(600)]

READY_LIMIT_S = 300.0
"""A build takes ten seconds, on a machine that has nothing else to do."""

CLOUDPICKLE_SHA256 = "9acb47f6afd73f60dc1df93bb801b472f05ff42fa6c84167d25cb206be1fbf4a"
"""Of the wheel of 3.1.2, which is the same for every machine."""

NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}


@pytest.fixture
def environments(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "environments"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def links(environments: Path) -> list[str]:
    """What may be taken for an environment."""
    return os.listdir(environments / "environments")  # noqa: PTH208  # names are what is compared


def builds(environments: Path) -> list[Path]:
    return list((environments / "builds").iterdir())


def predicted(container: ContainerProcess) -> object:
    """The answer to one row."""
    with connected(container.address) as client:
        outputs = client.predict(doubles([[1.0]])).outputs
    assert isinstance(outputs, Strings)
    return outputs.items[0]


def failure_of(container: ContainerProcess) -> str:
    """The last line of a launcher that has to fail."""
    assert container.wait_exit(READY_LIMIT_S) == 5, container.log
    return container.log.splitlines()[-1]


def test_a_killed_build_is_none_and_two_launchers_build_one_environment(tmp_path: Path, environments: Path) -> None:
    files = {"requirements.txt": "numpy==2.1.3\n", "setup.sh": 'echo made > "$VIRTUAL_ENV/made.txt"\ntouch writable\n'}
    files["model.py"] = (
        "import os, numpy\n\nMADE = open(os.environ['VIRTUAL_ENV'] + '/made.txt').read().strip()\n\n\n"
        "def predict(rows):\n    return [numpy.__version__ + ' ' + MADE for _ in rows]\n"
    )
    model = model_folder(tmp_path / "model", files)
    with launched(model, environments) as killed:
        killed.wait_for_log("building its environment: resolving", READY_LIMIT_S)
        killed.process.kill()
        killed.wait_exit()
    assert links(environments) == []
    assert len(builds(environments)) == 1
    with launched(model, environments) as first:
        first.wait_for_log("building its environment: making a virtualenv", READY_LIMIT_S)
        with launched(model, environments) as second:
            second.wait_ready(READY_LIMIT_S)
            first.wait_ready(READY_LIMIT_S)
            assert "another process is at it, waiting" in second.log
            assert "making a virtualenv" not in second.log
            assert predicted(first) == predicted(second) == "2.1.3 made"
    assert len(links(environments)) == 1
    with launched(model, environments, variables=NO_NETWORK) as again:
        again.wait_ready(READY_LIMIT_S)
        assert "building" not in again.log
    assert not (model / "writable").exists()


def test_versions_that_are_not_there_leave_no_environment_but_the_log(tmp_path: Path, environments: Path) -> None:
    model = model_folder(tmp_path / "model", {"requirements.txt": "numpy==1.26.4\ncloudpickle==0.0.1\n"})
    with launched(model, environments) as container:
        last = failure_of(container)
        assert "pip could not install what the model asks for: No matching distribution found for cloudpickle" in last
        assert "ERROR: Could not find a version that satisfies the requirement" in container.log
    log = Path(last.partition("(the whole log: ")[2].removesuffix(")"))
    assert "No matching distribution" in log.read_text()
    assert (links(environments), builds(environments)) == ([], [])


def test_a_setup_script_that_fails_leaves_no_environment(tmp_path: Path, environments: Path) -> None:
    """Its requirement has a hash, which holds for what the model names, and not for what the runtime brings."""
    script = "python -c 'import cloudpickle; print(cloudpickle.__file__)'\nls ./no-such-file\necho never\n"
    files = {"setup.sh": script, "requirements.txt": f"cloudpickle==3.1.2 --hash=sha256:{CLOUDPICKLE_SHA256}\n"}
    with launched(model_folder(tmp_path / "model", files), environments) as container:
        assert "setup.sh ended with exit status 2: " in failure_of(container)
        assert f"{environments}/builds/" in container.log
        assert "never" not in container.log
    assert (links(environments), builds(environments)) == ([], [])


@pytest.mark.parametrize("way", ["signal", "lifeline"])
def test_a_launcher_that_is_told_to_stop_leaves_nothing(tmp_path: Path, environments: Path, way: str) -> None:
    model = model_folder(tmp_path / "model", {"requirements.txt": "numpy==2.1.3"})
    lifeline, holder = os.pipe()
    try:
        with launched(model, environments, lifeline_fd=lifeline) as container:
            container.wait_for_log("building its environment", READY_LIMIT_S)
            if way == "signal":
                container.process.send_signal(signal.SIGTERM)
            else:
                os.close(holder)
            assert container.wait_exit() == 0
            assert "stopped while the environment was being built" in container.log
    finally:
        os.close(lifeline)
        if way == "signal":
            os.close(holder)
    assert (links(environments), builds(environments)) == ([], [])


def test_a_build_that_takes_too_long_is_ended(tmp_path: Path, environments: Path) -> None:
    model = model_folder(tmp_path / "model", {"requirements.txt": "numpy==2.1.3"})
    with launched(model, environments, "--build-limit-s", "0.3") as container:
        assert "was not built within 0.3 s" in failure_of(container)
    assert (links(environments), builds(environments)) == ([], [])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"requirements.txt": "numpy\n-e ."}, "requirements.txt, line 2: '-e .' is not allowed here: an editable"),
        ({"requirements.txt": "--index-url https://x/simple"}, "start management with --index-options allowed"),
        (
            {"packages.txt": "bash\nskysail-no-such-package\n"},
            "skysail-no-such-package; install them and deploy again: apt-get install skysail-no-such-package",
        ),
        (
            {
                "requirements.txt": "",
                "skysail.json": json.dumps({"format": 1, "framework": "python", "file": "f.pkl", "python": "3.99"}),
            },
            "the model was saved by Python 3.99",
        ),
    ],
    ids=["editable", "index", "debian", "python"],
)
def test_what_cannot_be_is_said_before_anything_is_built(
    tmp_path: Path, environments: Path, files: dict[str, str], said: str
) -> None:
    model = model_folder(tmp_path / "model", files)
    with launched(model, environments) as container:
        assert said in failure_of(container)
    assert not environments.exists() or builds(environments) == []


def test_debian_packages_alone_need_no_environment(tmp_path: Path, environments: Path) -> None:
    with launched(model_folder(tmp_path / "model", {"packages.txt": "bash\n"}), environments) as container:
        container.wait_ready(READY_LIMIT_S)
        assert predicted(container)
    assert not environments.exists()
