"""``python -m skysail_frontend.compiling``: translates the hot path to C, for the frontends that start from then on.

Needs the extra ``skysail-query-frontend[compile]``, a C compiler and Python's headers.
"""

import sys

from skysail_container.compilation import compile_form
from skysail_frontend.compiled import FORM

__all__ = ["main"]


def main() -> int:
    """0 when compiled modules are there, 1 with a reason on stderr."""
    return compile_form(FORM, "skysail-query-frontend[compile]")


if __name__ == "__main__":
    sys.exit(main())
