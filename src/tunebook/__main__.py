"""`python -m tunebook` is the `tunebook` command."""

import sys

from tunebook.cli import main

sys.exit(main())
