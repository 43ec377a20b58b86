"""Text out of a trained model, as it comes: `wonderland generate alice --prompt "Alice was"`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..compiler.front import random
from ..models.families import recipes
from ..models.pretrained import GENERATORS
from .line import Misuse, unknown
from .recipes import chosen_recipe, trained_model
from .user_file import names_function

LENGTH = 200  # pieces of text


def add(commands: Any, positive: Any, number: Any) -> None:
    generate = commands.add_parser("generate", help="print what a trained model writes")
    generate.add_argument("target", metavar="NAME | FILE:RECIPE", help=", ".join(GENERATORS))
    generate.add_argument("--prompt", help="the text to begin with")
    generate.add_argument("--length", type=positive, default=LENGTH, help=f"in pieces, {LENGTH}")
    generate.add_argument("--temperature", type=number, help="0 takes what is likeliest")
    generate.add_argument("--out", metavar="FOLDER", help="where training has put the model")
    generate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print pieces as they come."""
    for piece in pieces(options):
        print(piece, end="", flush=True)
    print()
    return 0


def pieces(options: argparse.Namespace) -> Iterator[str]:
    key = random.key(options.seed)
    if (found := GENERATORS.get(options.target)) is not None:
        temperature = found.temperature if options.temperature is None else options.temperature
        prompt = found.prompt if options.prompt is None else options.prompt
        model = found.load()
        yield from model.generate(prompt, key=key, length=options.length, temperature=temperature)
        return
    writing = [r.name for r in recipes().values() if r.generate is not None]
    if not names_function(options.target) and options.target not in writing:
        raise Misuse(unknown("model that writes", options.target, [*GENERATORS, *writing]))
    with chosen_recipe(options.target) as recipe:
        if recipe.generate is None:
            raise Misuse(f"{options.target}: a recipe with generate is required")
        if options.temperature is not None:
            raise Misuse(f"{options.target}: --temperature is for {', '.join(GENERATORS)}")
        split, model = trained_model(recipe, options.target, options.out)
        text = recipe.generate(model, split, key, options.prompt or "")
        yield from islice(text, options.length)
