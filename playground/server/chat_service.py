"""Answers of base and tuned, side by side."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from typing import Any

from playground.core.errors import InputError, LimitError
from playground.core.i18n import say
from playground.core.settings import Limits, RenderOptions, Sampling, TrainSettings
from playground.data.schemas.histories import from_pairs
from playground.server.processes.chat_client import ChatClient
from playground.server.processes.types import NOTHING_YET, Question, Reply
from playground.server.run_service import RunService
from playground.server.sandbox.pool import Sandbox
from playground.server.sandbox.requests import RenderPrompt


class ChatService:
    """What a person can do with a model that answers."""

    def __init__(self, runs: RunService, chat: ChatClient, sandbox: Sandbox, limits: Limits) -> None:
        self._runs, self._chat, self._sandbox, self._limits = runs, chat, sandbox, limits

    def reply(
        self, messages: list[dict[str, Any]], run: str = "", sampling: dict[str, Any] | None = None, model: str = ""
    ) -> Generator[Reply, None, None]:
        """Stream base and tuned answers, at most ten updates a second.

        `sampling` are settings.Sampling's fields. `model` counts only without a run. Closing the generator cancels.
        The conversation with a run is the one that it was trained in: with the run's system prompt, where the asker
        gives none.
        """
        drawn = Sampling.from_dict(sampling or {})
        if drawn.max_new_tokens > self._limits.new_tokens:
            raise LimitError(
                say("{count} new tokens were asked for.", count=drawn.max_new_tokens),
                say("The limit here is {limit}.", limit=self._limits.new_tokens),
            )
        base, adapter = self._runs.base_of(run, model)
        messages = _with_system(messages, drawn.system, self._runs.system_prompt(run) if run else "")
        template, options = self._template_of(run)
        request = RenderPrompt(base["folder"], template, self._limits, messages, options)
        prompt = self._sandbox.run(request, seconds=self._limits.preview_s)
        rows: list[Question] = [
            {"prompt": prompt["ids"], "stop": prompt["stop"], "sampling": asdict(drawn), "adapter": side}
            for side in (None, *([str(adapter)] if adapter else []))
        ]
        said: Reply = {"base": NOTHING_YET, "tuned": NOTHING_YET if adapter else None, "waiting": None}
        if self._chat.state != "ready" or self._chat.base != base:
            yield {**said, "waiting": say("Loading the model.")}
        with closing(self._chat.reply(base, rows)) as answers:
            for sides in answers:
                if sides is None:
                    yield {**said, "waiting": say("Waiting for the model.")}
                    continue
                said = {"base": sides[0], "tuned": sides[1] if adapter else None, "waiting": None}
                yield said

    def _template_of(self, run: str) -> tuple[str, RenderOptions]:
        """The template that the run's rows were rendered with, and its variables: its chat prompts are too."""
        if not run:
            return "", RenderOptions()
        folder = self._runs.folder(run)
        settings = TrainSettings.from_dict(folder.settings()["settings"])
        return folder.template(), settings.dataset_options().render_options(None)


def _with_system(messages: Any, given: str, trained: str) -> Any:
    """The conversation with the system prompt that the asker gives or, without one, the one that was trained with."""
    if not isinstance(messages, list):
        return messages  # Refused by name where it is checked.
    has_own = any(isinstance(one, dict) and one.get("role") in ("system", "developer") for one in messages)
    if has_own and given.strip():
        raise InputError(
            say("Two system prompts arrived: one in the messages, one among the settings of the answer."),
            say("A chat has one."),
            say("Take one of them out."),
        )
    prompt = given or ("" if has_own else trained)
    if not prompt.strip():
        return messages
    return [{"role": "system", "content": prompt}, *from_pairs(messages)]
