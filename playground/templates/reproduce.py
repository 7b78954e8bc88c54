"""A short script that makes the same text and tokens with plain transformers, to take away.

Written for people to read: what is left at its default is left out, long things stand on lines of their own. What it
holds came from strangers, so every value is written as a Python literal and nothing else.

Runs no template: it can be called anywhere.
"""

from __future__ import annotations

import ast
import math
import re
from importlib.metadata import version
from keyword import iskeyword
from typing import Any

from playground.core.messages import Message
from playground.core.settings import RenderOptions

_WIDTH = 100
_OF_APPLY_CHAT_TEMPLATE = {
    "conversation",
    "tools",
    "documents",
    "chat_template",
    "add_generation_prompt",
    "continue_final_message",
    "sanitize_control_tokens",
    "tokenize",
    "padding",
    "truncation",
    "max_length",
    "return_tensors",
    "return_dict",
    "tokenizer_kwargs",
    "return_assistant_tokens_mask",
}
"""Its parameters: a template's variable of such a name never reaches the template through it."""


def reproduction(messages: list[Message], model: str, template: str | None, options: RenderOptions) -> str:
    """Python source that prints the text and, where there is a model, the token ids.

    `model` is a Hub id or a folder, "" where there is no tokenizer; `template` is Jinja source, None for the model's
    own. One of the two is given.
    """
    variables = {**(options.special_tokens or {}), **(options.template_kwargs or {})}
    can_be_named = all(_can_be_argument(name) for name in variables)
    given = {"tools": options.tools, "documents": options.documents, "variables": None if can_be_named else variables}
    direct = not model or bool(variables.keys() & _OF_APPLY_CHAT_TEMPLATE)
    parts = [
        f"# pip install transformers=={version('transformers')} jinja2",
        _imports(model, direct, options.clock is not None),
        _clock(template, options.clock),
        f"messages = {literal([_without_none(message) for message in messages])}",
        *(f"{name} = {literal(value)}" for name, value in given.items() if value is not None),
        f"tokenizer = AutoTokenizer.from_pretrained({model!r})" if model else "",
        f"{'tokenizer.chat_template' if model else 'template'} = {_source(template)}" if template is not None else "",
        _rendering(model, options, variables, can_be_named, direct),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _can_be_argument(name: str) -> bool:
    """Python reads other spellings of an identifier as one (ﬁ as fi), so only ASCII is sure to arrive as it is."""
    return name.isascii() and name.isidentifier() and not iskeyword(name) and name not in _OF_APPLY_CHAT_TEMPLATE


def _without_none(message: Message) -> Message:
    """As `apply_chat_template` does before it renders."""
    return {key: value for key, value in message.items() if value is not None}


def _imports(model: str, direct: bool, clock: bool) -> str:
    lines = ["from datetime import datetime", ""] if clock else []
    lines += ["from transformers import AutoTokenizer"] if model else []
    lines += ["from transformers.utils import chat_template_utils"] if direct or clock else []
    return "\n".join(lines)


def _clock(template: str | None, clock: str | None) -> str:
    if clock is None:
        dated = template is not None and "strftime_now" in template
        return "# The template asks for the date: on another day it may write another text." if dated else ""
    return f"""
class Clock(datetime):
    \"\"\"Tells the template one moment. transformers has no option for it, so its clock is replaced.\"\"\"

    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat({clock!r})


chat_template_utils.datetime = Clock"""


def _rendering(model: str, options: RenderOptions, variables: dict[str, Any], can_be_named: bool, direct: bool) -> str:
    inputs = [
        *(["tools=tools"] if options.tools is not None else []),
        *(["documents=documents"] if options.documents is not None else []),
        *(["add_generation_prompt=True"] if options.add_generation_prompt else []),
        *(["continue_final_message=True"] if options.continue_final_message else []),
    ]
    if can_be_named:
        inputs += [f"{name}={literal(value, 1)}" for name, value in variables.items()]
    else:
        inputs += ["**{**tokenizer.special_tokens_map, **variables}" if model and direct else "**variables"]
    if not direct:
        lines = _call("text", "tokenizer.apply_chat_template", ["messages", "tokenize=False", *inputs])
    else:
        own = f"tokenizer.get_chat_template({'tools=tools' if options.tools is not None else ''})"
        source = f"chat_template={own if model else 'template'}"
        lines = _call("[text], _", "chat_template_utils.render_jinja_template", ["[messages]", source, *inputs])
    lines.append("print(text)")
    if model:
        lines += ["", "# The template has written the special tokens already: the tokenizer must add none."]
        lines += ['ids = tokenizer(text, add_special_tokens=False)["input_ids"]', "print(ids)"]
    return "\n".join(lines)


def _call(target: str, function: str, arguments: list[str]) -> list[str]:
    line = f"{target} = {function}({', '.join(arguments)})"
    if len(line) <= _WIDTH and "\n" not in line:
        return [line]
    return [f"{target} = {function}(", *(f"    {argument}," for argument in arguments), ")"]


def literal(value: Any, depth: int = 0) -> str:
    """Python source of a JSON-like value: on one line where it is short, else an item a line."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, (list, tuple)):
        items = [literal(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    elif isinstance(value, dict):
        items = [f"{literal(key)}: {literal(item, depth + 1)}" for key, item in value.items()]
        opening, closing = "{", "}"
    elif isinstance(value, str) and "\n" in value and len(value) > _WIDTH:
        lines = [repr(line) for line in re.findall(r"[^\n]*\n|[^\n]+", value)]
        return "(\n" + "".join(f"{inner}{line}\n" for line in lines) + f"{outer})"
    else:
        return repr(value)
    together = opening + ", ".join(items) + closing
    if len(outer) + len(together) <= _WIDTH and "\n" not in together:
        return together
    return f"{opening}\n" + "".join(f"{inner}{item},\n" for item in items) + f"{outer}{closing}"


def _source(template: str) -> str:
    """A template's source as it is, between three quotes, where Python reads it back unchanged."""
    if all(character.isprintable() or character in "\n\t" for character in template):
        for quotes in ('"""', "'''"):
            written = f"r{quotes}{template}{quotes}"
            try:
                if ast.literal_eval(written) == template:
                    return written
            except (SyntaxError, ValueError):
                continue
    return literal(template)
