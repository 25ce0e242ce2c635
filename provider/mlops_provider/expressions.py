"""Expressions of the workflow file (`when`, `gates`, `rules`): Python syntax, names and numbers, evaluated safely.

Parsing and evaluation are simpleeval's; this module closes its language further (no calls, no indexing, no
comprehensions), resolves dotted names in plain mappings, and turns a missing or non-finite value into an error.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_provider.exceptions import ExpressionError

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
    ast.In, ast.NotIn, ast.Constant, ast.Name, ast.Attribute, ast.Load, ast.Tuple, ast.List,
)  # fmt: skip
MAX_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Parse, or raise ExpressionError with the column (1-based) of what is not allowed."""
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"{text[:40]}…", f"is longer than {MAX_LENGTH} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)  # such as for '1if': it is refused or evaluated
                tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
            column = getattr(err, "offset", None)
            raise ExpressionError(text, "is not a valid expression", column=column, hint=_EXAMPLE) from err
        for node in ast.walk(tree):
            if not isinstance(node, _ALLOWED):
                column = getattr(node, "col_offset", 0) + 1
                what = type(node).__name__.lower()
                raise ExpressionError(text, f"'{what}' is not allowed in an expression", column=column, hint=_EXAMPLE)
        return cls(text.strip(), tree.body)

    def names(self) -> tuple[str, ...]:
        """Give the dotted names that the expression reads, in order of appearance, each once."""
        found: dict[str, None] = {}
        _collect(self.tree, found)
        return tuple(found)

    def phases(self) -> tuple[str, ...]:
        """Give the phases whose metrics or verdicts the expression reads, each once."""
        names = (name.split(".") for name in self.names())
        return tuple(dict.fromkeys(parts[1] for parts in names if parts[0] == "phases" and len(parts) > 1))

    def sides(self) -> tuple[Expression, str, Expression] | None:
        """Give left side, operator and right side of a single comparison; None for any other expression."""
        if not isinstance(self.tree, ast.Compare) or len(self.tree.ops) != 1:
            return None
        operator = _SIGNS.get(type(self.tree.ops[0]))
        left, right = self.tree.left, self.tree.comparators[0]
        if operator is None:
            return None
        return Expression(ast.unparse(left), left), operator, Expression(ast.unparse(right), right)

    def look_up(self, name: str, scope: Mapping[str, Any]) -> Any:
        """Give the value of a dotted name, or raise when it is missing, None or not finite.

        A mapping may hold names that are dotted themselves, as metrics such as 'worst.recall' are: the longest counts.
        """
        value: Any = scope
        parts = name.split(".")
        while parts:
            joined = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
            key = next((key for key in joined if key in value), None) if isinstance(value, Mapping) else None
            if key is None:
                known = ", ".join(sorted(str(key) for key in value)) if isinstance(value, Mapping) else "none"
                raise ExpressionError(self.text, f"'{name}' is missing", hint=f"known here: {known or 'none'}")
            value, parts = value[key], parts[key.count(".") + 1 :]
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise ExpressionError(self.text, f"'{name}' is {'missing' if value is None else value}, not a number")
        return value

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Evaluate on a scope of names (nested mappings for dotted ones).

        Numbers that differ by less than 1e-12, of themselves or of 1, are equal: `0.1 + 0.2 <= 0.3` holds.
        """
        from simpleeval import DEFAULT_OPERATORS, InvalidExpression, SimpleEval

        for name in self.names():
            self.look_up(name, scope)
        evaluator = SimpleEval(names=dict(scope), functions={}, operators={**DEFAULT_OPERATORS, **_COMPARISONS})
        evaluator.nodes[ast.Attribute] = lambda node: self.look_up(_dotted(node) or "", scope)
        evaluator.nodes[ast.Tuple] = evaluator.nodes[ast.List] = lambda node: [evaluator._eval(e) for e in node.elts]  # noqa: SLF001 (simpleeval's way to add a node)
        try:
            return evaluator.eval(self.text, previously_parsed=self.tree)
        except (InvalidExpression, TypeError, ArithmeticError) as err:
            raise ExpressionError(self.text, str(err)) from err


_EXAMPLE = "write a condition over names and numbers, such as 'accuracy >= 0.9 and recall > champion.recall'"


SAME = 1e-12


def _same(left: Any, right: Any) -> bool:
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if numbers and (isinstance(left, float) or isinstance(right, float)):
        return math.isclose(left, right, rel_tol=SAME, abs_tol=SAME)
    return bool(left == right)


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: _same,
    ast.NotEq: lambda left, right: not _same(left, right),
    ast.Gt: lambda left, right: left > right and not _same(left, right),
    ast.GtE: lambda left, right: left >= right or _same(left, right),
    ast.Lt: lambda left, right: left < right and not _same(left, right),
    ast.LtE: lambda left, right: left <= right or _same(left, right),
}
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=",
}  # fmt: skip


def _dotted(node: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _collect(node: ast.AST, found: dict[str, None]) -> None:
    if isinstance(node, ast.Attribute | ast.Name):
        name = _dotted(node)
        if name is not None:
            found[name] = None
            return
    for child in ast.iter_child_nodes(node):
        _collect(child, found)
