"""Messages in one form, whatever tool wrote them: edits, checks, templates and masks behind it know no other.

    {"role": "assistant", "content": null, "function_call": {"name": "tide", "arguments": "{\\"port\\": \\"Husum\\"}"}}
        ->  {"role": "assistant", "tool_calls": [
                {"type": "function", "function": {"name": "tide", "arguments": {"port": "Husum"}}}]}
    {"role": "user", "content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]}
        ->  {"role": "user", "content": "Hi there"}

The form is that of OpenAI's messages as transformers documents them: content is text, arguments are an object. What a
template reads otherwise is templates/forms.py's. What cannot be put into the form stays, to be named by the checks.
"""

from __future__ import annotations

from typing import Any

import orjson

from playground.core.errors import InputError
from playground.core.findings import Finding
from playground.core.i18n import Sentence, say
from playground.core.messages import json_kind
from playground.data.schemas.column_names import fold
from playground.data.schemas.marks import LEARNED, with_weight
from playground.data.schemas.python_lists import read_python_list

_PLAIN = {"role", "content"}
_CALLING = ("toolcall", "toolcalls", "functioncall")
"""Roles of ms-swift and others whose content is the call."""
_RESULTS = ("function", "toolresponse", "toolresponses", "functionresponse", "observation", "toolresult")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
_PARTS = ("text", "input_text", "output_text", "refusal")
"""Kinds of parts whose words are said; those of thoughts are in _THOUGHTS."""
_THOUGHTS = ("thinking", "reasoning")
_MEANT = ("default", "const", "example")
"""Keys of a JSON schema under which null is a value like others."""


def normal_messages(
    messages: list[Any], tools: list[Any] | None, whole: Sentence, row: int | None = None
) -> tuple[list[Any], list[Finding]]:
    """The messages in the normal form, and what is to be told of them. `whole` opens each error ("Row 3").

    Raises InputError where content has a part that no text can stand for, or a call has no name.
    """
    told: list[Finding] = []
    if all(_is_normal(message) for message in messages):
        return messages, told
    known = _parameters(tools)
    result: list[Any] = []
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, dict) or _is_normal(message):
            result.append(message)
            continue
        where = say("{where}, message {number}", where=whole, number=number)
        for made in _split_results(message):
            normal = _normal(made, known, where)
            if fold(str(message.get("role"))) in _CALLING and "tool_calls" not in normal:
                told.append(_call_as_words(row or 0, number))
            if normal.keys() & set(LEARNED):
                normal, found = with_weight(normal, row or 0, number)
                told += found
            _append(result, normal)
    return result, told


def _is_normal(message: Any) -> bool:
    """Whether it is a role and plain words, as nearly all are."""
    if not isinstance(message, dict) or message.keys() != _PLAIN:
        return False
    content = message["content"]
    return isinstance(content, str) and "\r" not in content and message["role"] in ("user", "assistant", "system")


def _append(result: list[Any], message: dict[str, Any]) -> None:
    """Calls that follow an answer without a result in between are that answer's."""
    before = result[-1] if result else None
    calls: Any = message.get("tool_calls")
    is_call_alone = isinstance(calls, list) and not message.get("content") and "weight" not in message
    if is_call_alone and isinstance(before, dict) and before.get("role") == message.get("role") == "assistant":
        result[-1] = {**before, "tool_calls": (before.get("tool_calls") or []) + calls}
    else:
        result.append(message)


def _normal(message: dict[str, Any], known: dict[str, Any], where: Sentence) -> dict[str, Any]:
    role = fold(message["role"]) if isinstance(message.get("role"), str) else ""
    changed = _with_words(_from_call(message) if role in _CALLING else dict(message), where)
    if role in _RESULTS:
        changed["role"] = "tool"
    if changed.get("function_call"):
        changed["tool_calls"] = [changed["function_call"]]
    if changed.get("role") == "assistant":
        changed.pop("function_call", None)
    if isinstance(calls := _decoded(changed.get("tool_calls")), dict):
        calls = [calls]
    if isinstance(calls, list) and calls:
        changed["tool_calls"] = [_call(call, known, where) for call in calls]
    return changed


# --- Words ---


def _with_words(message: dict[str, Any], where: Sentence) -> dict[str, Any]:
    """Content as text with \\n for every line break, thoughts in reasoning_content."""
    if "content" not in message and isinstance(message.get("parts"), list):
        message["content"] = message.pop("parts")  # As Gemini has it.
    content = message.get("content")
    if isinstance(content, dict) and isinstance(content.get("parts") or content.get("text"), list | str):
        content = content.get("parts") or [content]
    if isinstance(content, list):
        message = _of_parts(message, content, where)
    for key in ("content", "reasoning_content"):
        words = message.get(key)
        if isinstance(words, str) and "\r" in words:
            message[key] = words.replace("\r\n", "\n").replace("\r", "\n")
    return message


def _of_parts(message: dict[str, Any], parts: list[Any], where: Sentence) -> dict[str, Any]:
    said: list[str] = []
    thought: list[str] = []
    calls: list[Any] = []
    for part in parts:
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        words = part if isinstance(part, str) else _words_of(part)
        if kind == "tool_use" and isinstance(part, dict):
            calls.append({"id": part.get("id"), "name": part.get("name"), "arguments": part.get("input")})
        elif words is None or kind not in (*_PARTS, *_THOUGHTS):
            raise InputError(
                say("{where}: content has a part of the type {kind}.", where=where, kind=str(kind)[:40]),
                say("Only text can be learned here."),
                say("Take the part out, or remove the row."),
            )
        else:
            (thought if kind in _THOUGHTS else said).append(words)
    changed = {**message, "content": "".join(said)}
    if thought and not message.get("reasoning_content"):
        changed["reasoning_content"] = "".join(thought)
    return {**changed, "tool_calls": calls} if calls else changed


def _words_of(part: Any) -> str | None:
    if not isinstance(part, dict):
        return None
    keys = (part.get("type"), "text", "content", "value")
    return next((part[key] for key in keys if isinstance(key, str) and isinstance(part.get(key), str)), None)


def _split_results(message: dict[str, Any]) -> list[dict[str, Any]]:
    """A user's message that holds the results of tools, as Anthropic has them: each result a message of its own."""
    content = message.get("content")
    if not isinstance(content, list) or not any(_is_result(part) for part in content):
        return [message]
    results = [
        {"role": "tool", "content": part.get("content") or "", "tool_call_id": part.get("tool_use_id")}
        for part in content
        if _is_result(part)
    ]
    rest = [part for part in content if not _is_result(part)]
    return [*results, {**message, "content": rest}] if rest else results


def _is_result(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "tool_result"


# --- Calls ---


def _decoded(value: Any) -> Any:
    """What a text of JSON holds, or one that Python printed; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except (ValueError, RecursionError):
        found = read_python_list(f"[{value}]") if value.lstrip()[:1] in ("{", "[") else None
        return found[0] if found and len(found) == 1 else value


def _from_call(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose content is the call; its words as the assistant's where they are none."""
    found = _decoded(message.get("content"))
    calls = found if isinstance(found, list) else [found]
    if not calls or not all(isinstance(call, dict) and _name_of(call) for call in calls):
        return {**message, "role": "assistant"}
    return {
        **{key: value for key, value in message.items() if key != "content"},
        "role": "assistant",
        "tool_calls": calls,
    }


def _call_as_words(row: int, number: int) -> Finding:
    return Finding(
        "call_as_words",
        "warning",
        say("Row {row}: message {number} is to be a call, but its content is no JSON with name and arguments.", row=row,
            number=number),
        say("Write the call as JSON, as in {example}.", example='{"name": "…", "arguments": {}}'),
        row,
        say("Its words are learned as they stand, not in the form that the template has for calls."),
        edits=["drop", "keep"],
    )  # fmt: skip


def _name_of(call: dict[str, Any]) -> str | None:
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    name = inner.get("name")
    return name if isinstance(name, str) and name else None


def _call(call: Any, known: dict[str, Any], where: Sentence) -> Any:
    call = _decoded(call)
    outer = call if isinstance(call, dict) else {}
    inner = outer["function"] if isinstance(outer.get("function"), dict) else outer
    name = _name_of(outer)
    if name is None:
        raise InputError(
            say("{where}: a tool call has no name.", where=where),
            say("A call is an object such as {example}.", example='{"function": {"name": "…", "arguments": {}}}'),
            say("Name the tool that is called."),
        )
    key = next((key for key in _ARGUMENTS if key in inner), "arguments")
    arguments = _decoded(inner.get(key))
    if arguments is None or arguments == "":
        arguments = {}
    if isinstance(arguments, dict):
        arguments = _without_padding(arguments, known.get(name))
    about = {key: value for key, value in outer.items() if key in ("id", "index") and value is not None}
    return {**about, "type": "function", "function": {"name": name, "arguments": arguments}}


def _without_padding(arguments: dict[str, Any], parameters: dict[str, Any] | None) -> dict[str, Any]:
    """The arguments without nulls that the tool's definition does not allow: Arrow gives every call the keys of all."""
    if parameters is None or None not in arguments.values():
        return arguments
    return {key: value for key, value in arguments.items() if value is not None or _may_be_null(parameters.get(key))}


def _may_be_null(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    any_of = schema.get("anyOf") or schema.get("oneOf") or []
    return (
        (isinstance(kinds, list) and "null" in kinds)
        or kinds == "null"
        or schema.get("nullable") is True
        or any(isinstance(one, dict) and one.get("type") == "null" for one in any_of)
        or None in (schema.get("enum") or [])
    )


# --- Definitions ---


def normal_tools(value: Any, where: Sentence) -> list[Any] | None:
    """Tool definitions as a list of {"type": "function", "function": {...}}, from a list, one alone, or JSON text.

    Nulls that Arrow pads a schema with go; a default of null that was meant stays. Raises InputError for what is none.
    """
    found = _decoded(value)
    if isinstance(found, dict) and found.keys() & {"name", "function"}:
        found = [found]
    if not isinstance(found, list):
        raise InputError(
            say("{where}: tools is {kind}.", where=where, kind=json_kind(found)),
            say("It must be a list of tool definitions."),
        )
    try:
        return [_definition(_decoded(tool)) for tool in found if tool is not None] or None
    except RecursionError:
        raise InputError(say("{where}: tools is nested too deeply.", where=where)) from None


def _definition(tool: Any) -> Any:
    if not isinstance(tool, dict):
        return tool
    if isinstance(tool.get("name"), str) and "function" not in tool and tool.get("type", "function") == "function":
        tool = {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}
    return _unpadded(tool, padded=_has_padding(tool))


def _has_padding(schema: Any) -> bool:
    """Whether null stands where a schema has no use for it."""
    if isinstance(schema, dict):
        return any((value is None and key not in _MEANT) or _has_padding(value) for key, value in schema.items())
    return isinstance(schema, list) and any(_has_padding(item) for item in schema)


def _unpadded(schema: Any, *, padded: bool, siblings: bool = False) -> Any:
    """`siblings`: the schemas beside this one have a default too, as all have that come from Arrow."""
    if isinstance(schema, list):
        return [_unpadded(item, padded=padded) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if value is None and (key not in _MEANT or (padded and siblings)):
            continue
        if key == "properties" and isinstance(value, dict):
            others = [inner for inner in value.values() if isinstance(inner, dict)]
            alike = len(others) > 1 and all("default" in inner for inner in others)
            result[key] = {
                name: _unpadded(inner, padded=padded, siblings=alike)
                for name, inner in value.items()
                if inner is not None
            }
        else:
            result[key] = value if key in _MEANT else _unpadded(value, padded=padded)
    return result


def _parameters(tools: list[Any] | None) -> dict[str, Any]:
    """Tool -> the schemas of its parameters, by name."""
    known = {}
    functions = [tool["function"] for tool in tools or [] if isinstance(tool, dict) and "function" in tool]
    for function in functions:
        parameters = function.get("parameters") if isinstance(function, dict) else None
        if isinstance(parameters, dict) and isinstance(function.get("name"), str):
            known[function["name"]] = parameters.get("properties") or {}
    return known
