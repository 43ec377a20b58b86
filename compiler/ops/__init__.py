"""The primitives, a class each with all its rules; importing this fills the registry.

In: values. Out: values of nodes of these ops. `family` is what kinds of ops share; a file is a kind
of op, `nested/` holds those that hold graphs: loops, branches, custom rules, checkpoints. The
functions of this package apply ops to values; each file names its own in `__all__`. Begin with
`cumulative`, then `family`.

Imports: ir, kernel, transform, runtime.rows, runtime.processes.
"""

# ruff: noqa: F403  each file says its names

from .bessel import *
from .collective import *
from .contract import *
from .convolution import *
from .cumulative import *
from .effects import *
from .elementwise import *
from .exchange import *
from .fft import *
from .formula import *
from .gamma import *
from .gather import *
from .guard import *
from .incomplete import *
from .linalg import *
from .nested.associative_scan import AssociativeScan as AssociativeScan
from .nested.scan import Scan as Scan
from .nested.switch import Switch as Switch
from .nested.while_loop import While as While
from .order import *
from .pooling import *
from .random import *
from .reduce import *
from .source import *
from .special import *
from .transcendental import *
from .view import *
from .windows import *
