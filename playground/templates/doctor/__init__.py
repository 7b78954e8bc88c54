"""The template doctor: what a chat template and a tokenizer do to a conversation that its author may not expect.

    examine(renderer, options)          TemplateFacts, of template and tokenizer alone: keep them
    diagnose(renderer, messages, ...)   findings about one rendered conversation
    explain_refusal(renderer, ...)      findings about one that the template refuses

It asks by rendering sentinels and looking at what comes out, never by a model's name. Runs templates: sandbox only.
Knows nothing of weights: whether a model was trained with a template cannot be told from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from playground.core.findings import Finding
from playground.core.i18n import say
from playground.core.messages import Message
from playground.core.settings import RenderOptions
from playground.templates.doctor import contents, control, ends, history, prompts
from playground.templates.doctor.case import Case
from playground.templates.doctor.facts import TemplateFacts, examine
from playground.templates.doctor.prober import BUDGET_S, Asker, Budget, OutOfTime
from playground.templates.doctor.refusals import explain_refusal
from playground.templates.locate import locate_slots
from playground.templates.rendered import Rendered
from playground.templates.renderer import Renderer

__all__ = ["BUDGET_S", "Budget", "TemplateFacts", "diagnose", "examine", "explain_refusal"]

Check = Callable[[Case], Iterator[Finding]]
_CHECKS: tuple[Check, ...] = (
    ends.bos_twice,
    ends.bos_missing,
    ends.turn_end_missing,
    ends.turn_end_untrained,
    ends.stop_token_unknown,
    ends.pad_is_eos,
    prompts.generation_prompt_mismatch,
    prompts.open_answer,
    prompts.generation_prompt_ignored,
    prompts.generation_prompt_trained,
    prompts.nothing_trained,
    contents.system_turn,
    contents.default_system,
    contents.alternation_demanded,
    contents.lost_words,
    contents.changed_words,
    contents.printed_values,
    contents.arguments_encoded_twice,
    history.history_rewritten,
    history.reasoning,
    history.tools_ignored,
    history.documents_ignored,
    history.depends_on_date,
    control.control_tokens_in_content,
    prompts.no_generation_markers,
)
_ORDER = {"error": 0, "warning": 1, "info": 2}


def diagnose(
    renderer: Renderer,
    messages: list[Message],
    options: RenderOptions,
    rendered: Rendered,
    stop_ids: set[int] | None = None,
    budget: Budget | None = None,
    facts: TemplateFacts | None = None,
) -> list[Finding]:
    """What there is to know about this conversation with this template: errors first, then warnings, then the rest.

    `rendered` is what `renderer.render(messages, options)` gave. `stop_ids` are the ids in eos_token_id of the model's
    generation_config, None where it has none. `facts` are `examine`'s, asked for here where they are not given. Checks
    for which the budget does not last are left out, and a last finding names them.
    """
    budget = budget or Budget()
    asker = Asker(renderer, options, budget)
    facts = facts or examine(renderer, options, budget)
    slots = locate_slots(messages, rendered.text, lambda marked: _text(asker, marked))
    case = Case(asker, messages, options, rendered, facts, stop_ids, slots)
    findings: list[Finding] = []
    left_out: list[str] = []
    for check in _CHECKS:
        try:
            findings += list(check(case))
        except OutOfTime:
            left_out.append(check.__name__)
    findings.sort(key=lambda finding: _ORDER[finding.severity])
    return findings + ([_left_out(left_out)] if left_out else [])


def _text(asker: Asker, messages: list[Message]) -> str | None:
    try:
        return asker.text(messages)
    except OutOfTime:
        return None


def _left_out(names: list[str]) -> Finding:
    return Finding(
        "checks_left_out",
        "info",
        say("The template is slow, so these checks were left out: {names}.", names=", ".join(names)),
        why=say("Each check renders the template, and the preview does not wait for them."),
    )
