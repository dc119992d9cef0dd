"""``python -m skysail_container.compiling``: translates a batch's way to C, for the containers that start from then on.

Needs the extra ``skysail-container[compile]``, a C compiler and Python's headers.
"""

import sys

from skysail_container.compilation import compile_form
from skysail_container.compiled import FORM

__all__ = ["main"]


def main() -> int:
    """0 when compiled modules are there, 1 with a reason on stderr."""
    return compile_form(FORM, "skysail-container[compile]")


if __name__ == "__main__":
    sys.exit(main())
