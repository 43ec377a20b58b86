"""The names of jax.lax: primitives, loops and branches, named axes, gathers."""
