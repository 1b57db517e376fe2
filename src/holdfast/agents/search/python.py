"""What can be edited in a Python file: libcst finds it and says where it stands, so that formatting is kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

from holdfast.agents.search import syntax
from holdfast.agents.search.numbers import value_of
from holdfast.agents.search.places import Number, Source, Span, Splice
from holdfast.agents.search.priors import role_of

_NUMERAL = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?(?![\w.])")
_UNTOUCHED = (cst.Import, cst.ImportFrom, cst.SimpleString, cst.ConcatenatedString, cst.FormattedString, cst.Annotation)


def read_python(path: str, text: str) -> Source:
    """The editable places of a Python file; none when it does not parse."""
    source = Source(path, text.encode())
    try:
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    except (cst.ParserSyntaxError, RecursionError):
        return source
    spans = wrapper.resolve(ByteSpanPositionProvider)
    reader = _Reader(source, {n: (s.start, s.start + s.length) for n, s in spans.items()}, wrapper.module)
    reader.walk(wrapper.module, _Context("value"))
    return source


def masked(text: str) -> str:
    """A name for a piece of code, from its first line, that stays the same when its numbers change."""
    line = " ".join(text.split("\n", 1)[0].split()).replace(";", ",")
    return _NUMERAL.sub("_", line)[:70]


@dataclass(frozen=True, slots=True)
class _Context:
    """What stands around a node: the words of its name, and whether it is an index or a loop's bound."""

    words: str
    index: bool = False
    bound: bool = False


class _Reader:
    """Walks the tree once, naming every number, flag, argument and statement."""

    def __init__(self, source: Source, spans: dict[cst.CSTNode, tuple[int, int]], module: cst.Module) -> None:
        self.source, self.spans = source, spans
        self.bounds = syntax.loop_bounds(module)
        self.writes = Counter(syntax.set_names(module))
        self.mentions = Counter(name.value for name in syntax.every(module, cst.Name))
        self.scope: list[str] = []
        self.loops = 0
        self.used: Counter[str] = Counter()

    def walk(self, node: cst.CSTNode, around: _Context) -> None:
        """Read `node` and everything under it."""
        if isinstance(node, _UNTOUCHED) or syntax.is_main_guard(node):
            return
        match node:
            case cst.FunctionDef() | cst.ClassDef():
                self.scope.append(node.name.value)
                self._children(node, around)
                self.scope.pop()
            case cst.For() | cst.While():
                self._hoists(node)
                self.loops += 1
                self._children(node, around)
                self.loops -= 1
            case cst.Module() | cst.IndentedBlock():
                self._statements(node.body)
                self._children(node, around)
            case cst.Call():
                self._call(node, around)
            case cst.Integer() | cst.Float():
                self._number(node, node.value, around)
            case cst.Name(value="True" | "False"):
                self._flag(node, around)
            case _:
                self._children(node, self._inside(node, around))

    def _children(self, node: cst.CSTNode, around: _Context) -> None:
        for child in node.children:
            self.walk(child, around)

    def _inside(self, node: cst.CSTNode, around: _Context) -> _Context:
        """The context that `node` makes for what stands in it."""
        match node:
            case cst.SimpleStatementLine():
                return _Context(f"`{masked(self.code(node))}`")
            case cst.Assign() if syntax.is_constant(node.value):
                return self._called(self.code(node.targets[0].target), node.targets[0].target)
            case cst.AnnAssign() if syntax.is_constant(node.value):
                return self._called(self.code(node.target), node.target)
            case cst.Param():
                return self._called(f"({node.name.value})", node.name)
            case cst.DictElement():
                holder = re.match(r"`?([\w.]*)", around.words)
                return self._called(f"{holder[1] if holder else ''}[{masked(self.code(node.key))}]", node.key)
            case cst.Subscript():
                return _Context(f"`{masked(self.code(node))}`", index=True)
            case cst.UnaryOperation(operator=cst.Minus(), expression=cst.Integer()):
                return replace(around, index=True)
            case cst.BinaryOperation(operator=cst.Power()):
                return replace(around, index=True)
            case _:
                return around

    def _called(self, words: str, node: cst.CSTNode) -> _Context:
        return _Context(words, bound=bool(syntax.words(node) & self.bounds))

    def name(self, words: str) -> str:
        """`words` within the file and scope, numbered where that is needed to be unique."""
        scope = ".".join(self.scope)
        joint = "." if scope and words.isidentifier() else " > " if scope else ""
        full = f"{self.source.path}: {scope}{joint}{words}"
        self.used[full] += 1
        return full if self.used[full] == 1 else f"{full} #{self.used[full]}"

    def code(self, node: cst.CSTNode) -> str:
        """The text of `node`."""
        start, end = self.spans[node]
        return self.source.data[start:end].decode()

    # Values

    def _number(self, node: cst.CSTNode, text: str, around: _Context) -> None:
        value = value_of(text)
        if value is not None:
            role = role_of(value, isinstance(node, cst.Integer), around.index, around.bound)
            self.source.numbers.append(Number(self.name(around.words), *self._token(node, text), text, role))

    def _flag(self, node: cst.Name, around: _Context) -> None:
        other = b"False" if node.value == "True" else b"True"
        splice = Splice(self.source.path, *self._token(node, node.value), other)
        self.source.flags.append(Span(self.name(around.words), (splice,), node.value))

    def _token(self, node: cst.CSTNode, text: str) -> tuple[int, int]:
        """Where the token itself stands, inside any parentheses."""
        start = self.source.data.find(text.encode(), *self.spans[node])
        return start, start + len(text)

    def _call(self, node: cst.Call, around: _Context) -> None:
        name = syntax.called(node) or "call"
        option = node.args[0].value if len(node.args) > 1 else None
        first = f"{option.raw_value}, " if isinstance(option, cst.SimpleString) else ""
        self._children(node.func, around)
        for number, arg in enumerate(node.args):
            word = arg.keyword.value if arg.keyword else f"#{number + 1}" if len(node.args) > 1 else ""
            of = option if first and option else arg.keyword
            bound = name in ("range", "trange") or (of is not None and bool(syntax.words(of) & self.bounds))
            context = _Context(f"{name}({first}{word})", bound=bound)
            if arg.keyword:
                self.source.given.add(f"{name}.{arg.keyword.value}")
                self._argument(node, number, context)
            self.walk(arg.value, context)

    def _argument(self, call: cst.Call, number: int, context: _Context) -> None:
        start, end = self.spans[call.args[number]]
        if number + 1 < len(call.args):
            end = self.spans[call.args[number + 1]][0]
        elif number:
            start = self.spans[call.args[number - 1].value][1]
            end = self.spans[call.args[number].value][1]
        splice = Splice(self.source.path, start, end, b"")
        self.source.arguments.append(Span(self.name(f"argument {context.words}"), (splice,)))

    # Statements

    def _statements(self, body: Sequence[cst.BaseStatement]) -> None:
        for statement in body:
            if syntax.is_deletable(statement) and not self._needed(statement):
                splice = self._removal(statement, alone=len(body) == 1)
                words = f"`{masked(self.code(statement))}`"
                self.source.statements.append(Span(self.name(words), (splice,), looped=self.loops > 0))
        for first, second in pairwise(body):
            if syntax.is_ordered(first) and syntax.is_ordered(second) and not syntax.depends(first, second):
                self._swap(first, second)

    def _needed(self, node: cst.CSTNode) -> bool:
        """Whether the program surely breaks without it: it returns a value, or alone sets a name that is read."""
        if isinstance(node, cst.SimpleStatementLine) and any(isinstance(s, cst.Return) and s.value for s in node.body):
            return True
        own = Counter(syntax.set_names(node))
        return any(self.writes[name] == count and self.mentions[name] > count for name, count in own.items())

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """Whole lines of a statement: from the start of its first line to the end of its last, newline included."""
        start, end = self.spans[node]
        data = self.source.data
        stop = data.find(b"\n", end)
        return data.rfind(b"\n", 0, start) + 1, len(data) if stop < 0 else stop + 1

    def _removal(self, node: cst.CSTNode, alone: bool) -> Splice:
        if alone:
            return Splice(self.source.path, *self.spans[node], b"pass")
        return Splice(self.source.path, *self._lines(node), b"")

    def _swap(self, first: cst.CSTNode, second: cst.CSTNode) -> None:
        a, b = self._lines(first), self._lines(second)
        data = self.source.data
        if a[1] > b[0] or not data[: b[1]].endswith(b"\n"):
            return
        text = data[b[0] : b[1]] + data[a[1] : b[0]] + data[a[0] : a[1]]
        pair = sorted((masked(self.code(first))[:34], masked(self.code(second))[:34]))
        splice = Splice(self.source.path, a[0], b[1], text)
        self.source.swaps.append(Span(self.name(f"`{pair[0]}` and `{pair[1]}`"), (splice,)))

    def _hoists(self, loop: cst.For | cst.While) -> None:
        """Statements straight in a loop that read nothing the loop sets can stand before it."""
        body = loop.body.body if isinstance(loop.body, cst.IndentedBlock) else ()
        stored = Counter(name for statement in body for name in syntax.touched(statement))
        if isinstance(loop, cst.For):
            stored.update(syntax.names(loop.target))
        for statement in body:
            targets = syntax.touched(statement)
            if not isinstance(statement, cst.SimpleStatementLine) or not targets:
                continue
            if any(stored[t] > 1 for t in targets) or (syntax.names(statement) - targets) & set(stored):
                continue
            begin, end = self._lines(statement)
            at = self._lines(loop)[0]
            moved = self.source.data[at : self.spans[loop][0]] + self.source.data[begin:end].lstrip()
            splices = (Splice(self.source.path, at, at, moved), self._removal(statement, alone=len(body) == 1))
            self.source.hoists.append(Span(self.name(f"`{masked(self.code(statement))}` out of its loop"), splices))
