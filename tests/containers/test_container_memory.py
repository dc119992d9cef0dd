"""What a container may take of memory: what it was told, or what its cgroup says."""

from pathlib import Path

import pytest

from skysail_container.container_memory import ContainerMemory
from skysail_container.spark.local_session import driver_memory_mib


@pytest.mark.parametrize(
    ("told_mib", "cgroup", "limit_mib"),
    [
        (None, None, None),
        (None, "max\n", None),
        (None, "2147483648\n", 2048),
        (1000, "max\n", 1000),
        (1000, "2147483648\n", 1000),
        (4000, "2147483648\n", 2048),
    ],
)
def test_the_lesser_limit_holds(
    tmp_path: Path, told_mib: int | None, cgroup: str | None, limit_mib: int | None
) -> None:
    path = tmp_path / "memory.max"
    if cgroup is not None:
        path.write_text(cgroup)
    memory = ContainerMemory(path)
    memory.told_mib = told_mib
    assert memory.limit_mib() == limit_mib


@pytest.mark.parametrize(("limit_mib", "driver_mib"), [(None, 1024), (600, 512), (1300, 650), (8192, 4096)])
def test_spark_gets_half_of_it_and_never_too_little_to_start(limit_mib: int | None, driver_mib: int) -> None:
    assert driver_memory_mib(limit_mib) == driver_mib
