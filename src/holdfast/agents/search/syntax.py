"""Questions about Python syntax: what a piece of code names, sets, calls and needs."""

from __future__ import annotations

from typing import TypeVar

import libcst as cst

N = TypeVar("N", bound=cst.CSTNode)


def every(node: cst.CSTNode, kind: type[N]) -> list[N]:
    """Every node of `kind` at and under `node`."""
    stack, found = [node], []
    while stack:
        at = stack.pop()
        if isinstance(at, kind):
            found.append(at)
        stack.extend(at.children)
    return found


def called(node: cst.Call) -> str:
    """The last name of what is called; empty when it has none."""
    function = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    return function.value if isinstance(function, cst.Name) else ""


def names(node: cst.CSTNode) -> set[str]:
    """All identifiers at and under `node`."""
    return {name.value for name in every(node, cst.Name)}


def words(node: cst.CSTNode) -> set[str]:
    """Identifiers and strings at and under `node`, options such as `--max-steps` spelled as identifiers."""
    strings = {s.evaluated_value for s in every(node, cst.SimpleString) if isinstance(s.evaluated_value, str)}
    return names(node) | {s.removeprefix("--").replace("-", "_") for s in strings}


def loop_bounds(module: cst.Module) -> set[str]:
    """The words that say how often a loop runs: those in `range(...)` and in the tests of `while`."""
    found: set[str] = set()
    for call in every(module, cst.Call):
        if called(call) in ("range", "trange", "islice"):
            found |= words(call)
    for loop in every(module, cst.While):
        if isinstance(loop.test, cst.Comparison):
            found |= words(loop.test)
    return found


def assigned(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The targets of all assignments and loops at and under `node`."""
    targets: list[cst.CSTNode] = [holder.target for holder in every(node, cst.AssignTarget)]
    targets += [holder.target for holder in every(node, cst.AugAssign)]
    targets += [holder.target for holder in every(node, cst.AnnAssign)]
    return targets + [loop.target for loop in every(node, cst.For)]


def set_names(node: cst.CSTNode) -> list[str]:
    """What is set at and under `node`: names, and the last part of attributes."""
    found = []
    for target in assigned(node):
        if isinstance(target, cst.Attribute):
            found.append(target.attr.value)
        elif not isinstance(target, cst.Subscript):
            found += [name.value for name in every(target, cst.Name)]
    return found


def touched(node: cst.CSTNode) -> set[str]:
    """Every identifier in a target at and under `node`: what may be changed through it."""
    return {name for target in assigned(node) for name in names(target)}


def depends(first: cst.CSTNode, second: cst.CSTNode) -> bool:
    """Whether one of two statements sets what the other mentions."""
    return bool(touched(first) & names(second) or touched(second) & names(first))


def is_constant(node: cst.CSTNode | None) -> bool:
    """Whether a value is a plain number or truth value, signed or not."""
    if isinstance(node, cst.UnaryOperation):
        node = node.expression
    return isinstance(node, cst.Integer | cst.Float) or (isinstance(node, cst.Name) and node.value in ("True", "False"))


def is_text(node: cst.CSTNode) -> bool:
    """Whether a statement is only a string: a docstring, mostly."""
    small = node.body[0] if isinstance(node, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString | cst.ConcatenatedString)


def is_main_guard(node: cst.CSTNode) -> bool:
    """Whether it is `if __name__ == ...`."""
    return isinstance(node, cst.If) and "__name__" in names(node.test)


def is_deletable(node: cst.CSTNode) -> bool:
    """Whether it is a statement that may go: no definition, import, docstring or main guard."""
    if isinstance(node, cst.SimpleStatementLine):
        kept = (cst.Import, cst.ImportFrom, cst.Pass, cst.Global, cst.Nonlocal)
        return not is_text(node) and not any(isinstance(small, kept) for small in node.body)
    return isinstance(node, cst.For | cst.While | cst.With) or (isinstance(node, cst.If) and not is_main_guard(node))


def is_ordered(node: cst.CSTNode) -> bool:
    """Whether it may matter when the statement happens: it does something, and nothing but that."""
    if not isinstance(node, cst.SimpleStatementLine):
        return is_deletable(node)
    small = node.body[0]
    if isinstance(small, cst.Expr):
        return isinstance(small.value, cst.Call) and "super" not in names(small)
    return isinstance(small, cst.AugAssign) or (isinstance(small, cst.Assign) and bool(every(small.value, cst.Call)))
