"""What a program says while it runs, as jax.debug names it.

    wl.debug.print("the loss is {}", loss(w, x))
    wl.debug.callback(lambda x: None, x)

print and callback happen in the order of the calls, also under derivatives and vmap.
"""

from .compiler.front.debug import *  # noqa: F403
from .compiler.front.debug import __all__ as __all__
