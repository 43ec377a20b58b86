"""jax.debug's names: `wl.debug.print`, `wl.debug.callback`."""

from .effects import debug_callback as callback
from .effects import debug_print as print

__all__ = ["callback", "print"]
