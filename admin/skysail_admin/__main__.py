"""`python -m skysail_admin` is the command `skysail`."""

import sys

from skysail_admin.cli import main

if __name__ == "__main__":
    sys.exit(main())
