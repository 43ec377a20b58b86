"""`python -m wonderland` is the command."""

import sys

from .commands import main

sys.exit(main())
