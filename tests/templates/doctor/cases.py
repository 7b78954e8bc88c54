"""Templates with one fault each, and what stays the same: ChatML that adds nothing, and a tokenizer that fits it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from tokenizers import processors

from playground.core.settings import RenderOptions
from playground.templates.catalogue import template_source
from playground.templates.doctor import Budget, diagnose
from playground.templates.renderer import Renderer

PLENTY = 30.0
"""Seconds: no test of what is found may depend on how busy the machine is."""

TURN = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
HEALTHY = "{% for m in messages %}" + TURN + "{% endfor %}" + PROMPT
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}{% endfor %}" + PROMPT
)


def each(turn: str, after: str = PROMPT, before: str = "") -> str:
    return before + "{% for m in messages %}" + turn + "{% endfor %}" + after


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def system(content: Any) -> dict[str, Any]:
    return {"role": "system", "content": content}


TALK = [user("Hi"), assistant("Ahoy")]
LONGER = [*TALK, user("Bye now"), assistant("Farewell")]
RULED = [system("Be brief."), *TALK]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CALLING = [
    user("Weather?"),
    assistant("", tool_calls=[{"type": "function", "function": {"name": "weather", "arguments": {}}}]),
    {"role": "tool", "name": "weather", "content": "sunny"},
    assistant("Sunny."),
]
THINKING = [user("2+2?"), assistant("4", reasoning_content="Two twice."), user("3+3?"), assistant("6")]


def fitting(
    tokenizer: Any, bos: str = "<s>", eos: str = "<|im_end|>", pad: str = "<pad>", adds_bos: bool = False
) -> Any:
    """The tiny tokenizer with the special tokens that a case asks for."""
    changed = copy.deepcopy(tokenizer)
    changed.add_special_tokens({"additional_special_tokens": ["<s>", "</s>", "<pad>"]})
    changed.bos_token, changed.eos_token, changed.pad_token = bos, eos, pad
    if adds_bos:
        begin = (bos, changed.convert_tokens_to_ids(bos))
        changed.backend_tokenizer.post_processor = processors.TemplateProcessing(f"{bos} $A", special_tokens=[begin])
    return changed


@dataclass(frozen=True)
class Case:
    """What is rendered. `shows`: the stretches of text that the finding marks."""

    template: str = HEALTHY
    messages: list[Any] = field(default_factory=lambda: TALK)
    options: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    stop: set[str] | None = None
    severity: str = "warning"
    shows: list[str] = field(default_factory=list)
    action: str | None = None

    def renderer(self, tokenizer: Any) -> Renderer:
        return Renderer(fitting(tokenizer, **self.tokens), self.template)

    def findings(self, tokenizer: Any) -> list[Any]:
        renderer, options = self.renderer(tokenizer), RenderOptions(**self.options)
        rendered = renderer.render(self.messages, options)
        stop = None if self.stop is None else {renderer.tokenizer.convert_tokens_to_ids(token) for token in self.stop}
        found = diagnose(renderer, self.messages, options, rendered, stop, Budget(PLENTY))
        for finding in found:
            assert all(0 <= start <= end <= len(rendered.text) for start, end in finding.evidence), finding
            assert "Zqx" not in finding.message  # The words that the doctor asks with are nobody's business.
        return found

    def shown(self, tokenizer: Any, finding: Any) -> list[str]:
        text = self.renderer(tokenizer).text(self.messages, RenderOptions(**self.options))
        return [text[start:end] for start, end in finding.evidence]

    def after(self, action: dict[str, Any]) -> Case:
        """The case once the action's button was pressed."""
        if action["kind"] == "conversation":
            return replace(self, messages=action["messages"])
        if action["kind"] == "options":
            return replace(self, options={**self.options, **action["options"]})
        return replace(self, template=template_source(action["template"]))
