"""How the suite is shared out among xdist's workers: what belongs together goes to one of them, and begins first."""

import pytest
from _pytest.nodeid import NodeId


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests of an `xdist_group` that group, and let groups begin before single tests.

    A group is one piece of work and the longest there is: begun last, it would keep one worker busy while others idle.

    xdist 3.8 writes the group into a field of the item that pytest 9.2 no longer reads, so every test goes its own way
    and each worker starts what the group would share (https://github.com/pytest-dev/pytest-xdist/issues/1386). The
    second loop can go when xdist does it again.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None:
            item._id = NodeId.parse(f"{item.nodeid}@{mark.args[0]}")
