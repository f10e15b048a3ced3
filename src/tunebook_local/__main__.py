"""`python -m tunebook_local`: the embedded service in the foreground."""

import sys

from tunebook_local.server import main

sys.exit(main())
