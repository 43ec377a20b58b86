"""`python -m wonderland` is the command."""

import sys

from .models.command import main

sys.exit(main())
