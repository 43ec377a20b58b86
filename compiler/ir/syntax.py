"""Python's parser for texts that may be anybody's: what it cannot bear has a place and a reason."""

from __future__ import annotations

import ast
import io
import re
import tokenize

DIGITS = 4300  # what Python reads of a number
WORDS = 500_000  # of a line: it takes 500 bytes a word while it is read
LINE = 10  # characters that a line has on average, at least
FORMATTED = getattr(tokenize, "FSTRING_START", tokenize.STRING)


class Unreadable(Exception):
    """A text that is no Python, or too much for it, and where."""

    def __init__(self, line: int, column: int, what: str) -> None:
        super().__init__(line, column, what)
        self.line, self.column, self.what = line, column, what


def syntax_of(text: str) -> tuple[ast.Module, dict[int, str]]:
    """The syntax tree of a text, and its comments by line.

    Refused are, before Python takes the square of their length for them, long numbers and strings
    that are formatted; and what is nested too deeply.
    """
    if number := re.search(rf"(?<!\w)\d\w{{{DIGITS}}}", text):
        line = text.count("\n", 0, number.start())
        column = number.start() - text.rfind("\n", 0, number.start()) - 1
        raise Unreadable(line + 1, column, f"a number of at most {DIGITS} digits is required")
    found = comments(text)
    try:
        return ast.parse(text), found
    except SyntaxError as error:
        place = error.lineno or 1, (error.offset or 1) - 1
        raise Unreadable(*place, f"a Python function is required, {error.msg}") from None
    except ValueError as error:  # a zero, half a character
        raise Unreadable(1, 0, f"a Python function is required, {error}") from None
    except (RecursionError, MemoryError):
        raise too_deep(text) from None


def too_deep(text: str) -> Unreadable:
    """Of a text on which Python's stack, or the memory, has ended: most likely its longest line."""
    lines = text.split("\n")
    place = max(range(len(lines)), key=lambda k: len(lines[k]))
    what = "an expression is nested too deeply, or the text is too long for the memory"
    return Unreadable(place + 1, 0, what)


def comments(text: str) -> dict[int, str]:
    """By line, up to where the text is no Python any more.

    Refused is what takes Python's parser hundreds of times its own size.
    """
    found: dict[int, str] = {}
    words, lines, most = 0, 0, 1000 + len(text) // LINE
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            words += 1
            if token.type == tokenize.NEWLINE:
                words, lines = 0, lines + 1
            if words > WORDS:
                raise Unreadable(*token.start, f"a line of at most {WORDS} words is required")
            if lines > most:
                raise Unreadable(*token.start, "lines that say something are required")
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string
            elif token.type == FORMATTED and re.match("[a-zA-Z]*[fF]", token.string):
                raise Unreadable(*token.start, "a plain string is required, got a formatted one")
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # the parser reports it with its place
    return found


def shortened(text: str) -> str:
    """A text for messages, of at most 200 characters, all of which can be written anywhere."""
    text = text if len(text) <= 200 else f"{text[:197]}..."
    return text.encode("utf-8", "backslashreplace").decode()


def unparsed(tree: ast.AST) -> str:
    """The text of an expression, for messages."""
    return shortened(ast.unparse(tree))
