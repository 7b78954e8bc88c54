"""A chat template out of a file that somebody has: a .jinja file, or a model's tokenizer_config.json.

    tokenizer_config.json, b'{"chat_template": "{{ bos_token }}...", "bos_token": "<s>"}'
        ->  {"source": "{{ bos_token }}...", "special_tokens": {"bos_token": "<s>"}, ...}

Nothing of the file is run or compiled here. What it says is believed no further than its types: call it in the sandbox.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import orjson

from playground.core.errors import InputError, LimitError
from playground.core.i18n import Sentence, say
from playground.core.messages import json_kind
from playground.core.settings import Limits
from playground.templates.catalogue import SPECIAL_TOKENS
from playground.templates.types import TemplateFile

SUFFIXES = (".jinja", ".jinja2", ".j2", ".txt", ".json")


def read_template_file(raw: bytes, name: str, limits: Limits) -> TemplateFile:
    """The template in a file of this content. `name` only tells what kind of file it is.

    Raises InputError where no template can be had from it, LimitError where there is too much.
    """
    file = PurePath(name).name
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            say("A file of the type {suffix} arrived.", suffix=suffix or say("unknown")),
            say("Chat templates are in .jinja files, or in a model's tokenizer_config.json."),
            say("Take one of these from the model's page, or paste the template as text."),
        )
    text = _text(raw, limits)
    special_tokens: dict[str, str] = {}
    note: Sentence | None = None
    source = text
    if suffix == ".json":
        config = _object(text)
        source, note = _template_of(config)
        special_tokens = _special_tokens(config)
    if not source.strip():
        raise InputError(
            say("The chat template in the file {name} is empty.", name=file),
            say("It is Jinja source that writes a conversation as text."),
        )
    if len(source) > limits.template_chars:
        raise LimitError(
            say("The template has {count} characters.", count=len(source)),
            say("The limit here is {limit}.", limit=limits.template_chars),
            say("Shorten it."),
        )
    return {"source": source, "name": file, "special_tokens": special_tokens, "note": note}


def _text(raw: bytes, limits: Limits) -> str:
    if len(raw) > limits.upload_bytes:
        raise LimitError(
            say("A file of {size} MB arrived.", size=f"{len(raw) / 1e6:.1f}"),
            say("The limit here is {limit} MB.", limit=f"{limits.upload_bytes / 1e6:.1f}"),
            say("Copy the template out of it into a .jinja file."),
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise InputError(
            say("Byte {place} of the file is not UTF-8.", place=problem.start + 1),
            say("A chat template is text, or JSON, in UTF-8."),
            say("Save the file again with the encoding UTF-8."),
        ) from None
    if "\0" in text:
        raise InputError(
            say("The file is not text."),
            say("A chat template is text, or JSON, in UTF-8."),
            say("Take the template from the model's page, or paste it as text."),
        )
    return text


def _object(text: str) -> dict[str, Any]:
    try:
        config = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as problem:
        raise InputError(
            say("The file is not JSON: {detail}.", detail=str(problem)),
            say("A tokenizer_config.json is one JSON object."),
            say("Download it again; if it is the template itself, let its name end in .jinja."),
        ) from None
    if not isinstance(config, dict):
        raise InputError(
            say("The file's JSON is {kind}.", kind=json_kind(config)),
            say("A tokenizer_config.json is one JSON object."),
        )
    return config


def _template_of(config: dict[str, Any]) -> tuple[str, Sentence | None]:
    """The template's source, and a word on which it is where there are several."""
    found = config.get("chat_template")
    if found is None:
        raise InputError(
            say("The file has no chat_template."),
            say("A model's template is the value of chat_template in its tokenizer_config.json or chat_template.json."),
            say("Many models have it in a file beside, chat_template.jinja: take that one. Base models have none."),
        )
    if isinstance(found, str):
        return found, None
    templates = _named_templates(found)
    name = "default" if "default" in templates else next(iter(templates))
    others = [other for other in templates if other != name]
    if not others:
        return templates[name], None
    note = say(
        "The file has {count} templates. This is the one named {name}; left out: {others}.",
        count=len(templates),
        name=name,
        others=", ".join(others),
    )
    return templates[name], note


def _named_templates(found: Any) -> dict[str, str]:
    """Name -> source, of a list of {name, template} or of an object. Raises InputError for anything else."""
    templates = found
    if isinstance(found, list):
        complete = all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in found)
        templates = {one["name"]: one.get("template") for one in found} if complete else None
    if isinstance(templates, dict) and templates and all(isinstance(source, str) for source in templates.values()):
        return templates
    raise InputError(
        say("The file's chat_template is {kind}.", kind=json_kind(found)),
        say("It is text, or a list of objects that each have a name and a template."),
    )


def _special_tokens(config: dict[str, Any]) -> dict[str, str]:
    """bos_token and its like: text, or an object with the text as its content (an AddedToken); null is none."""
    found = {}
    for name in SPECIAL_TOKENS:
        value = config.get(name)
        content = value.get("content") if isinstance(value, dict) else value
        if isinstance(content, str):
            found[name] = content
        elif value is not None:
            raise InputError(
                say("The file's {name} is {kind}.", name=name, kind=json_kind(value)),
                say("It is text, or an object with the text as its content."),
            )
    return found
