"""What can be edited in a Python file: libcst finds it and says where it stands, so that formatting is kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

from holdfast.agents.search.numbers import value_of
from holdfast.agents.search.places import Number, Source, Span, Splice
from holdfast.agents.search.priors import role_of

Loop = cst.For | cst.While
_NUMERAL = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.])")


def read_python(path: str, text: str) -> Source:
    """The editable places of a Python file; none when it does not parse."""
    source = Source(path, text.encode())
    try:
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    except (cst.ParserSyntaxError, RecursionError):
        return source
    spans = wrapper.resolve(ByteSpanPositionProvider)
    wrapper.module.visit(_Reader(source, {n: (s.start, s.start + s.length) for n, s in spans.items()}, wrapper.module))
    return source


def masked(text: str) -> str:
    """A name for a piece of code, from its first line, that stays the same when its numbers change."""
    line = " ".join(text.split("\n", 1)[0].split()).replace(";", ",")
    return _NUMERAL.sub("_", line)[:70]


@dataclass(slots=True)
class _Context:
    """What stands around a node: the words of its name so far, and whether it is an index or a loop's bound."""

    words: str
    index: bool = False
    bound: bool = False


class _Reader(cst.CSTVisitor):
    """Walks the tree once, naming every number, flag, argument and statement."""

    def __init__(self, source: Source, spans: dict[cst.CSTNode, tuple[int, int]], module: cst.Module) -> None:
        self.source, self.spans = source, spans
        self.bounds = _loop_bounds(module)
        self.writes = Counter(_targets(module))
        self.reads = Counter(node.value for node in _all(module, cst.Name))
        self.arguments: dict[cst.CSTNode, _Context] = {}
        self.scope: list[str] = []
        self.around: list[_Context] = []
        self.loops = 0
        self.used: Counter[str] = Counter()

    # Names

    def name(self, words: str) -> str:
        """`words` within the file and scope, numbered where that is needed to be unique."""
        scope = ".".join(self.scope)
        joint = "." if scope and words.isidentifier() else " › " if scope else ""
        full = f"{self.source.path}: {scope}{joint}{words}"
        self.used[full] += 1
        return full if self.used[full] == 1 else f"{full} #{self.used[full]}"

    def code(self, node: cst.CSTNode) -> str:
        start, end = self.spans[node]
        return self.source.data[start:end].decode()

    # Scopes and statements

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802 (libcst's visitor protocol)
        self.scope.append(node.name.value)

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:  # noqa: N802
        self.scope.pop()

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802
        self.scope.append(node.name.value)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:  # noqa: N802
        self.scope.pop()

    def visit_Module(self, node: cst.Module) -> None:  # noqa: N802
        self._statements(node.body)

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> None:  # noqa: N802
        self._statements(node.body)

    def visit_For(self, node: cst.For) -> None:  # noqa: N802
        self.loops += 1
        self._hoists(node)

    def leave_For(self, original_node: cst.For) -> None:  # noqa: N802
        self.loops -= 1

    def visit_While(self, node: cst.While) -> None:  # noqa: N802
        self.loops += 1
        self._hoists(node)

    def leave_While(self, original_node: cst.While) -> None:  # noqa: N802
        self.loops -= 1

    def visit_If(self, node: cst.If) -> bool:  # noqa: N802
        return not _is_main_guard(node)

    def visit_Import(self, node: cst.Import) -> bool:  # noqa: N802
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802
        return False

    def _statements(self, body: Sequence[cst.BaseStatement]) -> None:
        movable = [s for s in body if _deletable(s)]
        for statement in movable:
            if self._needed(statement):
                continue
            splice = self._removal(statement, alone=len(body) == 1)
            words = f"`{masked(self.code(statement))}`"
            self.source.statements.append(Span(self.name(words), (splice,), looped=self.loops > 0))
        for first, second in zip(body, body[1:], strict=False):
            if first in movable and second in movable and not _depends(first, second):
                self._swap(first, second)

    def _needed(self, node: cst.BaseStatement) -> bool:
        """Whether the program surely breaks without it: it returns a value, or alone sets a name that is read."""
        if isinstance(node, cst.SimpleStatementLine) and any(isinstance(s, cst.Return) and s.value for s in node.body):
            return True
        own = Counter(_targets(node))
        return any(self.writes[name] == count and self.reads[name] > count for name, count in own.items())

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """Whole lines of a statement: from the start of its first line to the end of its last, newline included."""
        start, end = self.spans[node]
        data = self.source.data
        begin = data.rfind(b"\n", 0, start) + 1
        stop = data.find(b"\n", end)
        return begin, len(data) if stop < 0 else stop + 1

    def _removal(self, node: cst.CSTNode, alone: bool) -> Splice:
        if alone:
            return Splice(self.source.path, *self.spans[node], b"pass")
        return Splice(self.source.path, *self._lines(node), b"")

    def _swap(self, first: cst.BaseStatement, second: cst.BaseStatement) -> None:
        a, b = self._lines(first), self._lines(second)
        data = self.source.data
        if a[1] > b[0] or not data[: b[1]].endswith(b"\n"):
            return
        texts = sorted((masked(self.code(first))[:34], masked(self.code(second))[:34]))
        text = data[b[0] : b[1]] + data[a[1] : b[0]] + data[a[0] : a[1]]
        name = self.name(f"`{texts[0]}` ⇄ `{texts[1]}`")
        self.source.swaps.append(Span(name, (Splice(self.source.path, a[0], b[1], text),)))

    def _hoists(self, loop: Loop) -> None:
        """Statements straight in a loop that read nothing the loop sets can stand before it."""
        body = loop.body.body if isinstance(loop.body, cst.IndentedBlock) else ()
        stored = Counter(name for s in body for name in _stored(s)) + Counter(
            _names(getattr(loop, "target", loop.body))
        )
        for statement in body:
            targets = _stored(statement)
            if not (_deletable(statement) and isinstance(statement, cst.SimpleStatementLine) and targets):
                continue
            if any(stored[t] > 1 for t in targets) or (_names(statement) - targets) & set(stored):
                continue
            begin, end = self._lines(statement)
            at = self._lines(loop)[0]
            indent = self.source.data[at : self.spans[loop][0]]
            moved = indent + self.source.data[begin:end].lstrip()
            splices = (
                Splice(self.source.path, at, at, moved),
                self._removal(statement, alone=len(body) == 1),
            )
            self.source.hoists.append(Span(self.name(f"`{masked(self.code(statement))}` out of its loop"), splices))

    # Expressions

    def visit_SimpleStatementLine(self, node: cst.SimpleStatementLine) -> bool:  # noqa: N802
        if _is_text(node):
            return False
        self.around.append(_Context(f"`{masked(self.code(node))}`"))
        return True

    def leave_SimpleStatementLine(self, original_node: cst.SimpleStatementLine) -> None:  # noqa: N802
        if not _is_text(original_node):
            self.around.pop()

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:  # noqa: N802
        self._own(node.value, node.target)

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        self._own(node.value, node.targets[0].target)

    def _own(self, value: cst.BaseExpression | None, target: cst.BaseExpression) -> None:
        if value is not None and _is_constant(value):
            self.around[-1] = self._named(self.code(target), target)

    def _named(self, words: str, node: cst.CSTNode) -> _Context:
        return _Context(words, bound=bool(_words(node) & self.bounds))

    def visit_Param(self, node: cst.Param) -> None:  # noqa: N802
        self.around.append(self._named(f"({node.name.value})", node.name))

    def leave_Param(self, original_node: cst.Param) -> None:  # noqa: N802
        self.around.pop()

    def visit_DictElement(self, node: cst.DictElement) -> None:  # noqa: N802
        words = masked(self.code(node.key))
        owner = self.around[-1].words if self.around else ""
        holder = re.match(r"`?([\w.]*)", owner)
        self.around.append(self._named(f"{holder[1] if holder else ''}[{words}]", node.key))

    def leave_DictElement(self, original_node: cst.DictElement) -> None:  # noqa: N802
        self.around.pop()

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        called = _called(node) or "call"
        option = node.args[0].value if node.args else None
        first = f"{option.raw_value}, " if isinstance(option, cst.SimpleString) and len(node.args) > 1 else ""
        loop = called in ("range", "trange")
        for number, arg in enumerate(node.args):
            word = arg.keyword.value if arg.keyword else f"#{number + 1}" if len(node.args) > 1 else ""
            names = (option,) if first else (arg.keyword,) if arg.keyword else ()
            context = _Context(f"{called}({first}{word})", bound=loop)
            if names and names[0] is not None:
                context.bound |= self._named("", cst.Arg(names[0])).bound
            self.arguments[arg] = context
            if arg.keyword:
                self.source.given.add(f"{called}.{arg.keyword.value}")
                self._argument(node, number, context)

    def _argument(self, call: cst.Call, number: int, context: _Context) -> None:
        start, end = self.spans[call.args[number]]
        if number + 1 < len(call.args):
            end = self.spans[call.args[number + 1]][0]
        elif number:
            start = self.spans[call.args[number - 1].value][1]
            end = self.spans[call.args[number].value][1]
        splice = Splice(self.source.path, start, end, b"")
        self.source.arguments.append(Span(self.name(f"argument {context.words}"), (splice,)))

    def visit_Arg(self, node: cst.Arg) -> None:  # noqa: N802
        self.around.append(self.arguments.get(node) or _Context("argument"))

    def leave_Arg(self, original_node: cst.Arg) -> None:  # noqa: N802
        self.around.pop()

    def visit_Subscript(self, node: cst.Subscript) -> None:  # noqa: N802
        self.around.append(_Context(f"`{masked(self.code(node))}`", index=True))

    def leave_Subscript(self, original_node: cst.Subscript) -> None:  # noqa: N802
        self.around.pop()

    def visit_UnaryOperation(self, node: cst.UnaryOperation) -> None:  # noqa: N802
        minus = isinstance(node.operator, cst.Minus) and isinstance(node.expression, cst.Integer)
        around = self.around[-1] if self.around else _Context("value")
        self.around.append(_Context(around.words, around.index or minus, around.bound))

    def leave_UnaryOperation(self, original_node: cst.UnaryOperation) -> None:  # noqa: N802
        self.around.pop()

    def visit_BinaryOperation(self, node: cst.BinaryOperation) -> None:  # noqa: N802
        around = self.around[-1] if self.around else _Context("value")
        power = isinstance(node.operator, cst.Power)
        self.around.append(_Context(around.words, around.index or power, around.bound))

    def leave_BinaryOperation(self, original_node: cst.BinaryOperation) -> None:  # noqa: N802
        self.around.pop()

    def visit_Integer(self, node: cst.Integer) -> None:  # noqa: N802
        self._number(node, node.value, whole=True)

    def visit_Float(self, node: cst.Float) -> None:  # noqa: N802
        self._number(node, node.value, whole=False)

    def _number(self, node: cst.CSTNode, text: str, whole: bool) -> None:
        start, end = self._token(node, text)
        around = self.around[-1] if self.around else _Context("value")
        value = value_of(text)
        if value is None:
            return
        role = role_of(value, whole, around.index, around.bound)
        self.source.numbers.append(Number(self.name(around.words), start, end, text, role))

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802
        if node.value in ("True", "False"):
            around = self.around[-1] if self.around else _Context("value")
            other = b"False" if node.value == "True" else b"True"
            splice = Splice(self.source.path, *self._token(node, node.value), other)
            self.source.flags.append(Span(self.name(around.words), (splice,), node.value))

    def _token(self, node: cst.CSTNode, text: str) -> tuple[int, int]:
        """Where the token itself stands: a node's span includes its parentheses."""
        start, end = self.spans[node]
        start = self.source.data.find(text.encode(), start, end)
        return start, start + len(text)


N = TypeVar("N", bound=cst.CSTNode)


def _all(node: cst.CSTNode, kind: type[N]) -> list[N]:
    """Every node of `kind` at and under `node`."""
    stack, found = [node], []
    while stack:
        at = stack.pop()
        if isinstance(at, kind):
            found.append(at)
        stack.extend(at.children)
    return found


def _called(node: cst.Call) -> str:
    function = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
    return function.value if isinstance(function, cst.Name) else ""


def _names(node: cst.CSTNode) -> set[str]:
    return {name.value for name in _all(node, cst.Name)}


def _words(node: cst.CSTNode) -> set[str]:
    """Names and strings under `node`, options such as `--max-steps` spelled as names."""
    strings = {s.evaluated_value for s in _all(node, cst.SimpleString) if isinstance(s.evaluated_value, str)}
    return _names(node) | {s.removeprefix("--").replace("-", "_") for s in strings}


def _loop_bounds(module: cst.Module) -> set[str]:
    """The names that say how often a loop runs: those in `range(...)` and in the tests of `while`."""
    ranges = [call for call in _all(module, cst.Call) if _called(call) in ("range", "trange", "islice")]
    tests = [loop.test for loop in _all(module, cst.While) if isinstance(loop.test, cst.Comparison)]
    found: set[str] = set()
    for node in (*ranges, *tests):
        found |= _words(node)
    return found


def _assigned(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The targets of all assignments and loops at and under `node`."""
    targets: list[cst.CSTNode] = [holder.target for holder in _all(node, cst.AssignTarget)]
    targets += [holder.target for holder in _all(node, cst.AugAssign)]
    targets += [holder.target for holder in _all(node, cst.AnnAssign)]
    return targets + [loop.target for loop in _all(node, cst.For)]


def _targets(node: cst.CSTNode) -> list[str]:
    """What is assigned at and under `node`: names, and the last part of attributes."""
    return [name for target in _assigned(node) for name in _last_names(target)]


def _last_names(target: cst.CSTNode) -> list[str]:
    if isinstance(target, cst.Attribute):
        return [target.attr.value]
    if isinstance(target, cst.Subscript):
        return []
    return [name.value for name in _all(target, cst.Name)]


def _stored(node: cst.CSTNode) -> set[str]:
    """Every identifier in the targets of a statement's assignments: what it may change."""
    return {name for target in _assigned(node) for name in _names(target)}


def _depends(first: cst.CSTNode, second: cst.CSTNode) -> bool:
    return bool(_stored(first) & _names(second) or _stored(second) & _names(first))


def _is_constant(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.UnaryOperation):
        node = node.expression
    return isinstance(node, cst.Integer | cst.Float) or (isinstance(node, cst.Name) and node.value in ("True", "False"))


def _is_text(node: cst.BaseStatement) -> bool:
    """A docstring, or any statement that is only a string."""
    small = node.body[0] if isinstance(node, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString | cst.ConcatenatedString)


def _deletable(node: cst.BaseStatement) -> bool:
    if isinstance(node, cst.SimpleStatementLine):
        kept = (cst.Import, cst.ImportFrom, cst.Pass, cst.Global, cst.Nonlocal)
        return not _is_text(node) and not any(isinstance(small, kept) for small in node.body)
    return isinstance(node, cst.For | cst.While | cst.With) or (isinstance(node, cst.If) and not _is_main_guard(node))


def _is_main_guard(node: cst.If) -> bool:
    return "__name__" in _names(node.test)
