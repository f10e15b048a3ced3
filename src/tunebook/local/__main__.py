"""`python -m tunebook.local`: the embedded service in the foreground."""

import sys

from tunebook.local.server import main

sys.exit(main())
