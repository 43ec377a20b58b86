"""Names of texts: each is found in a few steps, however many there are; so is what is known."""

from __future__ import annotations

from wonderland.compiler.codegen.slots import Names
from wonderland.compiler.kernel.expr import Buffer, Expr, Load, Map, apply, walk


class Asked(set[str]):
    """A set that counts the questions."""

    count = 0

    def __contains__(self, name: object) -> bool:
        self.count += 1
        return super().__contains__(name)


def test_a_name_is_found_in_a_few_steps() -> None:
    names = Names(taken=Asked({"t3", "x", "x1_2"}))
    assert [names.numbered("t") for _ in range(4)] == ["t1", "t2", "t4", "t5"]
    assert [names.fresh("x") for _ in range(2)] == ["x2", "x3"]
    assert [names.fresh("x1") for _ in range(3)] == ["x1", "x1_3", "x1_4"]
    for k in range(300):
        assert names.numbered("v") == f"v{k + 1}"
        names.fresh("at")
    assert isinstance(names.taken, Asked) and names.taken.count < 1250


def test_what_is_done_is_not_walked_again() -> None:
    x = Load(Buffer("x0", "f32", 1), Map())
    chain: list[Expr] = [x]
    for _ in range(100):
        chain.append(apply("sin", chain[-1]))
    assert list(walk(chain[-1])) == chain
    done = set(chain[:90])
    asked: list[Expr] = []
    assert list(walk(chain[-1], done=lambda e: asked.append(e) or e in done)) == chain[90:]
    assert len(asked) == 12
