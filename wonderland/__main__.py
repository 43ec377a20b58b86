"""`python -m wonderland` is the command."""

import sys

from .models.commands import main

sys.exit(main())
