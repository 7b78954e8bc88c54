"""The named endpoints: JSON in and out, for gradio_client and, by the same docstrings, as MCP tools.

Names, arguments and keys are a contract; the page's own events are private. A refusal is a gr.Error with the sentence
that a person would be shown, in the language that the request asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from playground.core.errors import InputError, PlaygroundError
from playground.core.findings import finding_of
from playground.core.i18n import language_of, localise, say
from playground.server.backend import Backend


def add_endpoints(backend: Backend) -> None:
    """Register the endpoints in the Blocks that is being built."""
    for endpoint in (*_data_endpoints(backend), *_run_endpoints(backend)):
        # Nothing here works in this process: the limits that matter are the workers'.
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=None)


def _data_endpoints(backend: Backend) -> list[Callable[..., Any]]:
    def preview(
        conversation: list[dict[str, Any]],
        model: str = "",
        template: str = "",
        options: dict[str, Any] | None = None,
        request: gr.Request = None,
    ) -> dict[str, Any]:
        """Render a conversation with a chat template: the exact text, the tokens, which of them would be trained, and
        what the template doctor has to say about it.

        Args:
            conversation: List of messages, each an object with role and content.
            model: Catalogue name or Hub id of the model whose tokenizer to use; "" gives the text alone where a template is given, else the default model.
            template: "" for the model's own template, a name from the template catalogue, or Jinja source.
            options: add_generation_prompt, continue_final_message, tools, documents, template_kwargs, special_tokens, clock.

        Returns:
            {text, tokens: [{id, text, role, trained, special, message, start, end}], mask, spans, findings: [{code, severity, message, fix, why, evidence, action}]}. A conversation that the template refuses has no text; its first finding, refused, says so and the others why.
        """  # noqa: E501  Gradio reads one line an argument.
        with _Told(request) as told:
            try:
                return told.say(backend.templates.preview(conversation, model, template, options))
            except PlaygroundError as refusal:
                if not refusal.findings:
                    raise
                refused = finding_of(refusal, "refused").to_dict()
                nothing = {"text": "", "tokens": [], "mask": "none", "spans": []}
                return told.say({**nothing, "findings": [refused, *refusal.findings]})

    def check_dataset(
        text: str = "",
        file: gr.FileData | None = None,
        model: str = "",
        options: dict[str, Any] | None = None,
        request: gr.Request = None,
    ) -> dict[str, Any]:
        """Read a dataset and say what a model would learn from it, row by row, and what is wrong with it.

        Args:
            text: Rows as JSON Lines, JSON, CSV, or plain questions and answers.
            file: The same as a file, in place of text: .jsonl, .json, .csv, .tsv, .parquet, .xlsx, .txt or .md, also packed as .gz or .zip.
            model: Catalogue name or Hub id; "" for the default.
            options: mapping ({system, user, assistant}: a column's name or text with {column}), max_length, truncation_mode (keep_start, keep_end or drop), train_on (assistant, last or all), system_prompt, edits ([{do, rows, code}]), held_out, shuffle_dataset, seed, num_train_epochs, max_steps, per_device_train_batch_size, gradient_accumulation_steps, template, template_kwargs, clock.

        Returns:
            {format, rows, usable_rows, tokens, trained_tokens, held_out_tokens, truncated_rows, findings: [{row, code, severity, message, fix, why, edits}], codes, shapes, columns, lengths, padding, split, epochs, preview}.
        """  # noqa: E501
        with _Told(request) as told:
            return told.say(backend.datasets.check(text, _uploaded(file), model, options))

    return [preview, check_dataset]


def _run_endpoints(backend: Backend) -> list[Callable[..., Any]]:
    def train(
        text: str = "",
        file: gr.FileData | None = None,
        model: str = "",
        settings: dict[str, Any] | None = None,
        request: gr.Request = None,
    ) -> dict[str, Any]:
        """Queue a short QLoRA fine-tuning run on rows of conversations.

        Args:
            text: Rows as JSON Lines, JSON, CSV, or plain questions and answers.
            file: The same as a file, in place of text, see check_dataset.
            model: Catalogue name or Hub id; "" for the default.
            settings: TRL's and PEFT's names (max_steps, num_train_epochs, learning_rate, r, ...), quantization, time_budget_s, held_out, train_on, chat_template, chat_template_kwargs, and what check_dataset takes as mapping, truncation_mode, system_prompt and edits.

        Returns:
            {run, state, position}. The run's id is the right to see it: keep it.
        """  # noqa: E501
        with _Told(request) as told:
            return told.say(backend.runs.train(text, _uploaded(file), model, settings))

    def run(run: str, request: gr.Request = None) -> dict[str, Any]:
        """How a run stands: its state, its place in the queue, its curve and its verdict.

        Args:
            run: The id that train gave.

        Returns:
            {state, position, step, steps, eta_s, metrics: [{step, loss, eval_loss, learning_rate, grad_norm, tokens, tokens_per_s}], verdict, error}.
        """  # noqa: E501
        with _Told(request) as told:
            return told.say(backend.runs.get(run))

    def stop(run: str, request: gr.Request = None) -> dict[str, Any]:
        """Ask a run to end after the step in hand. What it has learned so far is kept.

        Args:
            run: The id that train gave.

        Returns:
            {state}.
        """
        with _Told(request) as told:
            return told.say(backend.runs.stop(run))

    def reply(
        messages: list[dict[str, Any]],
        run: str = "",
        sampling: dict[str, Any] | None = None,
        request: gr.Request = None,
    ) -> Iterator[dict[str, Any]]:
        """Ask the base model and the tuned one the same thing, both answers streaming from one batch.

        Args:
            messages: The conversation so far, each message an object with role and content, the last from the user.
            run: The id of the run whose adapter answers beside the base; "" for base alone.
            sampling: max_new_tokens, temperature (0: greedy), top_p, top_k, repetition_penalty, seed, system.

        Returns:
            {base: {text, tokens, tokens_per_s, first_s, ended}, tuned: the same or null}.
        """
        with _Told(request) as told:
            for answer in backend.chat.reply(messages, run, sampling):
                yield told.say(answer)

    def export(run: str, kind: str = "adapter", request: gr.Request = None) -> gr.FileData:
        """A file to take away from a run.

        Args:
            run: The id that train gave.
            kind: adapter (a zip of safetensors with its model card) or card (the model card alone).

        Returns:
            The file.
        """
        with _Told(request):
            path = backend.runs.export(run, kind)
            # Gradio serves files from its own cache, each under a name that nobody can guess.
            return gr.FileData(path=save_file_to_cache(path, get_upload_folder()), orig_name=path.name)

    return [train, run, stop, reply, export]


class _Told:
    """Says results and refusals in the language of a request."""

    def __init__(self, request: gr.Request | None) -> None:
        self._language = language_of(request.headers.get("accept-language") if request else None)

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, _: object, problem: BaseException | None, __: object) -> None:
        if isinstance(problem, PlaygroundError):
            raise gr.Error(problem.to(self._language), print_exception=False) from None

    def say(self, value: Any) -> Any:
        return localise(value, self._language)


def _uploaded(file: Any) -> str:
    """The path of an uploaded file, "" for none.

    Raises InputError for any path outside the upload folder: a raw request can put whatever it likes here.
    """
    if not file:
        return ""
    path = Path(file["path"] if isinstance(file, dict) else file.path).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InputError(say("The file did not arrive by upload."), fix=say("Upload it, or send its rows as text."))
    return str(path)
