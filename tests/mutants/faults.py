"""Single faults that can be planted in a source file: where, what stood there, what stands there instead."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

CORE = (
    "market/*.py", "market/auction/*.py", "market/clear/*.py", "market/flexibility/**/*.py", "market/grid/*.py",
    "market/ledger/*.py", "market/ledger/books/*.py", "market/ledger/log/*.py", "market/mechanisms/*.py",
    "market/nodal/*.py", "market/settlement/*.py", "agents/*.py", "agents/devices/**/*.py", "agents/kinds/*.py",
    "envs/core.py", "envs/foresight.py", "envs/observe.py", "envs/episode/*.py", "envs/interval/*.py",
)  # fmt: skip
"""What an interval is made of. Policies, views, commands and reports are judged by what they show of it."""

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult,
}  # fmt: skip
COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}  # fmt: skip
TWINS = {
    a: b
    for pair in (
        ("minimum", "maximum"), ("min", "max"), ("floor", "ceil"), ("any", "all"), ("argmin", "argmax"),
        ("zeros", "ones"), ("zeros_like", "ones_like"), ("cumsum", "cumprod"), ("sin", "cos"), ("sum", "max"),
        ("minimum_at", "maximum_at"), ("logical_and", "logical_or"),
    )
    for a, b in (pair, pair[::-1])
    if (a, b) != ("max", "sum")
}  # fmt: skip
OPPOSITES = (
    ("low", "high"), ("lower", "upper"), ("buy", "sell"), ("bought", "sold"), ("import", "export"), ("up", "down"),
    ("charge", "release"), ("first", "last"), ("before", "after"), ("paid", "received"), ("draw", "feed"),
)  # fmt: skip


COMMUTATIVE = ("maximum", "minimum", "max", "min", "gcd")


class Fault(NamedTuple):
    """One fault: ``before`` lies at these positions of the file and becomes ``after``."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    statement: tuple[int, int]  # lines of the statement's own text, without what it governs
    operator: str
    before: str
    after: str

    def planted(self, source: str) -> str:
        """Give the source with the fault in it."""
        lines = source.splitlines(keepends=True)
        # Columns count bytes.
        head = lines[self.line - 1].encode()[: self.column].decode()
        tail = lines[self.end_line - 1].encode()[self.end_column :].decode()
        lines[self.line - 1 : self.end_line] = [head + self.after + tail]
        return "".join(lines)


def core_files(root: Path) -> list[str]:
    """Paths of the core's files below ``root``."""
    found = {path for pattern in CORE for path in root.glob(pattern)}
    return sorted(str(path.relative_to(root)) for path in found)


def faults_of(file: str, source: str) -> list[list[Fault]]:
    """Give every fault that we know to plant in a file: a list for each position."""
    tree = ast.parse(source)
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = []
    for node, statement in _positions(tree, (0, 0)):
        span = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        before = ast.unparse(node)
        options = []
        for operator, other in _changes(node, names):
            after = ast.unparse(other)
            if isinstance(node, ast.expr) and not isinstance(node, ast.Constant | ast.Name | ast.Attribute):
                after = f"({after})"
            if ast.dump(other) != ast.dump(node):
                options.append(Fault(file, *span, statement, operator, before, after))
        if options:
            found.append(options)
    return found


def _positions(node: ast.AST, statement: tuple[int, int]) -> Iterator[tuple[Any, tuple[int, int]]]:
    """Nodes that do something: no text, messages, types, assertions, decorators."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.stmt):
        body = getattr(node, "body", None)
        last = (body[0].lineno - 1 if body else node.end_lineno) or node.lineno
        statement = (node.lineno, max(last, node.lineno))
    if isinstance(node, ast.If | ast.While):
        node.test.decides = True  # type: ignore[attr-defined]
    if isinstance(node, ast.expr | ast.stmt) and not isinstance(node, ast.Slice):
        yield node, statement
    skipped = {"annotation", "returns", "decorator_list", "bases"}
    for name, value in ast.iter_fields(node):
        if name in skipped or (isinstance(node, ast.AnnAssign) and name == "target"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _positions(child, statement)


def _changes(node: Any, names: set[str]) -> Iterator[tuple[str, Any]]:
    if hasattr(node, "decides"):
        yield "branches", ast.UnaryOp(ast.Not(), node)
    match node:
        case ast.BinOp(left=left, op=op, right=right) if not (_is_text(left) or _is_text(right)):
            if type(op) in ARITHMETIC:
                yield "arithmetic", _with(node, op=ARITHMETIC[type(op)]())
            if isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.BitAnd | ast.BitOr):
                yield "dropped term", left
                yield "dropped term", ast.UnaryOp(ast.USub(), right) if isinstance(op, ast.Sub) else right
        case ast.Compare(ops=[op], left=left, comparators=[right]):
            for other in COMPARE.get(type(op), ()):
                yield "compare", _with(node, ops=[other()])
        case ast.BoolOp(op=op, values=values):
            yield "and/or", _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield "and/or", _with(node, values=values[:-1]) if len(values) > 2 else values[0]
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield "sign", operand
        case ast.Constant(value=value):
            yield from (("constant", ast.Constant(other)) for other in _other_constants(value))
        case ast.Subscript(value=value, slice=index):
            yield from (("index", _with(node, slice=other)) for other in _other_indices(index))
        case ast.Call(func=func, args=args, keywords=keywords):
            yield from _other_calls(node, func, args, keywords)
        case ast.IfExp(body=body, orelse=orelse):
            yield "branches", _with(node, body=orelse, orelse=body)
        case ast.AugAssign(op=op):
            yield "dropped statement", ast.Pass()
            if type(op) in ARITHMETIC:
                yield "arithmetic", _with(node, op=ARITHMETIC[type(op)]())
        case ast.Attribute(attr=name, ctx=ast.Load()):
            yield from (("opposite", _with(node, attr=other)) for other in _opposites(name, names))
        case ast.Name(id=name, ctx=ast.Load()):
            yield from (("opposite", _with(node, id=other)) for other in _opposites(name, names))


def _other_calls(
    node: ast.Call, func: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]
) -> Iterator[tuple[str, Any]]:
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name in TWINS:
        other = _with(func, **{"attr" if isinstance(func, ast.Attribute) else "id": TWINS[name]})
        yield "twin", _with(node, func=other)
    if name == "where" and len(args) == 3:
        yield "branches", _with(node, args=[args[0], args[2], args[1]])
    elif name not in COMMUTATIVE:
        for n in range(len(args) - 1):
            if _are_alike(args[n], args[n + 1]):
                yield "swapped arguments", _with(node, args=[*args[:n], args[n + 1], args[n], *args[n + 2 :]])
    for keyword in keywords:
        if keyword.arg == "axis":
            for axis in _other_constants(_number(keyword.value)):
                others = [_with(k, value=ast.Constant(axis)) if k is keyword else k for k in keywords]
                yield "axis", _with(node, keywords=others)


def _are_alike(a: ast.expr, b: ast.expr) -> bool:
    """Whether one could be taken for the other: numbers, or names that end in the same unit."""
    numbers = (ast.BinOp, ast.UnaryOp, ast.Subscript)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return True
    ends = [x.attr if isinstance(x, ast.Attribute) else x.id if isinstance(x, ast.Name) else None for x in (a, b)]
    if None in ends:
        return isinstance(a, ast.Constant) and isinstance(b, ast.Constant)
    units = [(end or "").rpartition("_")[2] if "_" in (end or "") else "" for end in ends]
    return units[0] == units[1]


def _other_constants(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [0, value + 1] if value == 1 else [value + 1, value - 1] if value else [1]
    if isinstance(value, float):
        return [2.0 * value, 0.0] if value else [1.0]
    return []


def _other_indices(index: ast.expr) -> Iterator[ast.expr]:
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    for n, part in enumerate(parts):
        others: list[ast.expr] = []
        match part:
            case ast.Slice(lower=None, upper=None):
                pass
            case ast.Slice(lower=lower, upper=upper):
                others += [_with(part, lower=None)] if lower is not None else []
                others += [_with(part, upper=None)] if upper is not None else []
            case _ if (number := _number(part)) is not None:
                others += [ast.Constant({0: 1, -1: 0, 1: 0}.get(number, number - 1))]
        for other in others:
            if isinstance(index, ast.Tuple):
                yield _with(index, elts=[*parts[:n], other, *parts[n + 1 :]])
            else:
                yield other


def _number(node: ast.expr) -> int | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _opposites(name: str, names: set[str]) -> Iterator[str]:
    for pair in OPPOSITES:
        for a, b in (pair, pair[::-1]):
            other = re.sub(rf"(?<![a-z]){a}(?![a-z])", b, name)
            if other != name and other in names:
                yield other


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.Dict) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _with(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
