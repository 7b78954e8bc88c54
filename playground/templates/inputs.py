"""What a chat template reads beside the conversation, found from its source.

    {%- if enable_thinking is defined and enable_thinking is false %}
        ->  Variable("enable_thinking", kind="boolean", default=True, choices=[])

Jinja tells which names a template reads without setting them (`jinja2.meta.find_undeclared_variables`). Which of these
somebody outside is meant to give, of what kind they are and what holds when they are left out is read from how they
are used: a guess to offer a control by, not a check. A boolean's default is found by rendering the conditions that read
it alone, with the variable missing, true and false.

Compiles templates, which can be made to explode while they compile: call it in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jinja2.meta
from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError, nodes
from transformers.utils import chat_template_utils

from playground.core.errors import InputError
from playground.core.i18n import say
from playground.templates.catalogue import SPECIAL_TOKENS
from playground.templates.types import Kind, VariableDict

_PROVIDED = {"messages", "tools", "documents", "add_generation_prompt", "additional_special_tokens", *SPECIAL_TOKENS}
_JINJAS = {"loop", "caller", "varargs", "kwargs", "self", "super"}
_OF_TEXT = {"lower", "upper", "title", "capitalize", "trim", "strip", "lstrip", "rstrip", "startswith", "endswith"}
_OF_TEXT |= {"split", "replace", "string"}
_KIND_BY_TEST = {"true": "boolean", "false": "boolean", "boolean": "boolean", "string": "text"}
_KIND_BY_TEST |= {"mapping": "json", "iterable": "json", "sequence": "json"}
_UNKNOWN = object()


@dataclass(frozen=True)
class Variable:
    """A variable that a template reads and nobody gives unless they are asked to."""

    name: str
    kind: Kind
    default: Any
    """What it comes to when it is left out, as far as the source tells; None where it does not."""
    choices: list[str]
    """The texts that it is compared with, for kind "text"; [] where it may be anything."""

    def to_dict(self) -> VariableDict:
        return {"name": self.name, "kind": self.kind, "default": self.default, "choices": self.choices}


@dataclass(frozen=True)
class TemplateInputs:
    """Everything that a template reads beside the messages."""

    variables: list[Variable]
    """In the order in which the source reads them first, those that only its macros read at the end."""
    special_tokens: list[str]
    """bos_token, eos_token, ...: those that it reads."""
    clock: bool
    """Whether it asks for the date or time."""
    tools: bool
    documents: bool


@lru_cache(maxsize=32)
def inputs_of(source: str) -> TemplateInputs:
    """What the template reads. Raises InputError for a template that does not compile, naming the line."""
    try:
        # transformers keeps what it compiles: the preview that follows has it at once.
        environment = chat_template_utils._compile_jinja_template(source).environment
        tree = environment.parse(source)
        read = jinja2.meta.find_undeclared_variables(tree)
        outside = read - _PROVIDED - _JINJAS
        names = [name for name in _read_before_set(tree) if name in outside]
        uses = _uses(tree, names, environment)
        clock = any(name.name == "strftime_now" for name in tree.find_all(nodes.Name))  # Jinja counts it as declared.
    except TemplateSyntaxError as problem:
        raise InputError(
            say("Line {line}: {detail}", line=problem.lineno, detail=_sentence(problem)),
            fix=say("Correct the template there, or go back to the original."),
        ) from None
    except (TemplateError, SyntaxError, RecursionError, ArithmeticError, TypeError, ValueError, LookupError) as problem:
        raise InputError(
            say("The template does not compile: {detail}", detail=_sentence(problem)),
            fix=say("Correct the template, or go back to the original."),
        ) from None
    return TemplateInputs(
        variables=[uses[name].variable(name) for name in names],
        special_tokens=[name for name in SPECIAL_TOKENS if name in read],
        clock=clock,
        tools="tools" in read,
        documents="documents" in read,
    )


def _sentence(problem: BaseException) -> str:
    # What Python says of the code made from a template names a line of that code, which nobody sees.
    said = problem.msg if isinstance(problem, SyntaxError) else getattr(problem, "message", None) or str(problem)
    detail = (said or type(problem).__name__)[:400]
    return detail if detail.endswith((".", "!", "?")) else detail + "."


def _read_before_set(tree: nodes.Template) -> list[str]:
    """Names that the template reads before it ever sets them, in order.

    A name that is set in one branch and read after it is undeclared to Jinja, but nobody is asked for it.
    """
    first: dict[str, str] = {}
    for node in _in_order(tree):
        if isinstance(node, nodes.Name):
            first.setdefault(node.name, node.ctx)
    return [name for name, context in first.items() if context == "load"]


def _in_order(root: nodes.Node) -> Iterator[nodes.Node]:
    """Every node, in the order in which they are worked out. Macros come last: they run when names are set."""
    macros: list[nodes.Macro] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, nodes.Macro) and node is not root:
            macros.append(node)
            continue
        yield node
        children = list(node.iter_child_nodes())
        if isinstance(node, (nodes.Assign, nodes.AssignBlock)):  # The value before the name.
            children = [*(child for child in children if child is not node.target), node.target]
        elif isinstance(node, nodes.For):
            children = [node.iter, *(child for child in children if child is not node.iter)]
        waiting.extend(reversed(children))
    for macro in macros:
        yield from _in_order(macro)


# --- How a variable is used ---


@dataclass
class _Uses:
    """What the source does with one variable."""

    kinds: set[Kind] = field(default_factory=set)
    choices: list[str] = field(default_factory=list)
    defaults: list[Any] = field(default_factory=list)
    """Constants that take its place where it is missing; _UNKNOWN for something that is worked out."""
    same_as_missing: set[bool] = field(default_factory=set)
    """The values with which a condition comes out as it does without the variable, where it matters."""

    def variable(self, name: str) -> Variable:
        """The guess."""
        default = self.defaults[0] if self.defaults and self.defaults[0] is not _UNKNOWN else None
        kind: Kind = "boolean"
        if isinstance(default, str):
            kind = "text"
        elif default is not None and not isinstance(default, bool):
            kind = "json"
        elif default is None and "boolean" not in self.kinds:
            kind = next((one for one in ("json", "text") if one in self.kinds), "boolean")
        if kind == "boolean" and not self.defaults and len(self.same_as_missing) == 1:
            (default,) = self.same_as_missing
        return Variable(name, kind, default, list(dict.fromkeys(self.choices)) if kind == "text" else [])


def _uses(tree: nodes.Template, names: list[str], environment: Environment) -> dict[str, _Uses]:
    """What is done with each of `names`, also under another name that it was given to."""
    uses = {name: _Uses() for name in names}
    known = dict(uses)
    for node in _in_order(tree):
        for child in node.iter_child_nodes():
            if (name := _stands_for(child)) in known:
                _note_use(known[name], node, child)
            if (name := _alone(child)) in known and not _alone(node) and _is_condition(node, child):
                _note_condition(known[name], child, environment)
        if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
            known.setdefault(node.target.name, known.get(_stands_for(node.node)) or _Uses())
        elif isinstance(node, nodes.If) and (name := _alone(node.test)) in known:
            _note_guard(known[name], name, node, environment)
        elif (name := _stands_for(node)) in known and not isinstance(node, nodes.Name):
            substitutes = node.args if isinstance(node, nodes.Filter) else [node.expr2]  # type: ignore[attr-defined]
            known[name].defaults.extend(_constant(one) for one in substitutes[:1])
    return uses


def _stands_for(node: nodes.Node) -> str:
    """The variable whose value this is: x, x | default(...), x if x is defined else ...; "" for anything else."""
    if isinstance(node, nodes.Name) and node.ctx == "load":
        return node.name
    if isinstance(node, nodes.Filter) and node.name in ("default", "d") and node.node is not None:
        return _stands_for(node.node)
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        name = _stands_for(node.expr1)
        return name if name and name == _alone(node.test) else ""
    return ""


def _note_use(uses: _Uses, parent: nodes.Node, child: nodes.Node) -> None:
    """What the kind of a variable must be for `parent` to use it as `child`."""
    kind: str | None = None
    if isinstance(parent, nodes.Test):
        kind = _KIND_BY_TEST.get(parent.name)
    elif isinstance(parent, nodes.Compare):
        kind = _compared_with(uses, parent)
    elif isinstance(parent, nodes.Operand) and parent.op in ("in", "notin"):
        kind = "json"
    elif isinstance(parent, nodes.Filter) and parent.name not in ("default", "d"):
        kind = "text" if parent.name in _OF_TEXT else "json"
    elif isinstance(parent, nodes.Getattr):
        kind = "text" if parent.attr in _OF_TEXT else "json"
    elif isinstance(parent, nodes.Getitem) or (isinstance(parent, nodes.For) and child is parent.iter):
        kind = "json"
    elif isinstance(parent, (nodes.Add, nodes.Concat, nodes.Output)):
        kind = "text"
    elif isinstance(parent, nodes.Assign) and isinstance(parent.target, nodes.Name):
        kind = "json" if parent.target.name in ("tools", "documents") else None
    if kind is not None:
        uses.kinds.add(kind)  # type: ignore[arg-type]


def _compared_with(uses: _Uses, comparison: nodes.Compare) -> Kind | None:
    """The texts that a variable is compared with are the choices to offer."""
    for operand in comparison.ops:
        value = _constant(operand.expr)
        among = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(one, bool) for one in among):
            return "boolean"
        if any(isinstance(one, (int, float)) for one in among):
            return "json"
        uses.choices.extend(one for one in among if isinstance(one, str))
        if uses.choices:
            return "text"
    return None


# --- What holds when it is missing ---


def _constant(node: nodes.Node | None) -> Any:
    """The value of a constant, or of a list or dict of constants; _UNKNOWN for what is worked out."""
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, (nodes.List, nodes.Tuple)):
        values = [_constant(item) for item in node.items]
        return _UNKNOWN if _UNKNOWN in values else values
    if isinstance(node, nodes.Dict) and not node.items:
        return {}
    return _UNKNOWN


def _note_guard(uses: _Uses, name: str, guard: nodes.If, environment: Environment) -> None:
    """{% if x is not defined %}{% set x = "low" %}{% endif %}: what is set first there is the default."""
    missing, true, _ = _outcomes(guard.test, environment)
    if not missing or true:
        return
    for statement in guard.body:
        for assignment in [statement, *statement.find_all(nodes.Assign)]:
            if isinstance(assignment, nodes.Assign) and getattr(assignment.target, "name", "") == name:
                uses.defaults.append(_constant(assignment.node))
                return


def _alone(node: nodes.Node) -> str:
    """The one variable that a condition reads, "" where it reads others as well or is no condition."""
    names: set[str] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, nodes.Name):
            names.add(one.name)
        elif not isinstance(one, (nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Compare, nodes.Operand)):
            if _constant(one) is _UNKNOWN:
                return ""
            continue
        waiting.extend(one.iter_child_nodes())
    return names.pop() if len(names) == 1 else ""


def _is_condition(parent: nodes.Node, child: nodes.Node) -> bool:
    """Whether `parent` asks whether `child` holds."""
    return isinstance(parent, (nodes.And, nodes.Or, nodes.Not)) or child is getattr(parent, "test", None)


def _note_condition(uses: _Uses, condition: nodes.Node, environment: Environment) -> None:
    missing, true, false = _outcomes(condition, environment)
    if true != false and missing is not None:
        uses.same_as_missing.add(missing == true)


def _outcomes(condition: nodes.Node, environment: Environment) -> list[bool | None]:
    """What a condition on one variable alone comes to where it is missing, true and false; None: it cannot be told."""
    holds = nodes.Output([nodes.TemplateData("x")])
    tree = nodes.Template([nodes.If(condition, [holds], [], [])], lineno=1)
    tree.set_environment(environment)
    template = Template.from_code(environment, environment.compile(tree), {})
    return [_holds(template, given) for given in ({}, {_alone(condition): True}, {_alone(condition): False})]


def _holds(template: Template, given: dict[str, Any]) -> bool | None:
    try:
        return bool(template.render(given))
    except (TemplateError, TypeError, ValueError, LookupError):
        return None
