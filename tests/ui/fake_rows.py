"""The fake backend's rows: JSON Lines in two shapes, a word for a token, a few kinds of findings, all edits that answer
them. What it answers has the keys of the real one.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playground.core.errors import InputError, PlaygroundError
from playground.core.i18n import Sentence

_MAIL = re.compile(r"[\w.]+@[\w.]+\w")
LEFT_OUT = Sentence("The row is left out: the model learns nothing from it.")


class Row:
    def __init__(self, number: int, text: str) -> None:
        self.number, self.text = number, text
        self.data: Any = None
        self.messages: list[dict[str, str]] | None = None
        self.shape = ""
        self.finding: dict[str, Any] | None = None

    def read(self, mapping: dict[str, str]) -> None:
        try:
            self.data = json.loads(self.text)
        except ValueError:
            message = f"Row {self.number} is not JSON: it ends too early."
            self.finding = finding("not_json", "error", self.number, message, "Close the brackets.", LEFT_OUT)
            self.finding["edits"] = ["repair_json", "drop"]
            return
        self.understand(mapping)

    def understand(self, mapping: dict[str, str]) -> None:
        self.finding, data = None, self.data
        if mapping:
            filled = {
                part: re.sub(r"\{(\w+)\}", lambda name: str(data.get(name[1], "")), text)
                for part, text in mapping.items()
            }
            named = {part: str(data[text]) if text in data else filled[part] for part, text in mapping.items()}
            self.messages = [
                {"role": part, "content": named[part]} for part in ("system", "user", "assistant") if part in named
            ]
            self.shape = "mapped"
        elif "messages" in data:
            self.messages, self.shape = [dict(message) for message in data["messages"]], "messages"
        elif {"prompt", "completion"} <= data.keys():
            self.messages = [
                {"role": "user", "content": data["prompt"]},
                {"role": "assistant", "content": data["completion"]},
            ]
            self.shape = "prompt_completion"
        else:
            message = f"Row {self.number} has the keys {', '.join(data)}: no known shape."
            self.finding = finding("unusable", "error", self.number, message, "Say which column is which.", LEFT_OUT)
            self.finding["edits"] = ["drop"]

    def edit(self, edit: dict[str, Any], mapping: dict[str, str]) -> None:
        if edit["do"] == "replace":
            self.data = edit["data"]
            self.understand(mapping)
        elif edit["do"] == "repair_json":
            self.data = json.loads(self.text + "}" * (self.text.count("{") - self.text.count("}")))
            self.understand(mapping)
        elif self.messages and edit["do"] in ("trim", "mask"):
            for message in self.messages:
                words = message["content"]
                message["content"] = words.strip() if edit["do"] == "trim" else _MAIL.sub("[email]", words)

    def tokens(self, limit: int) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for place, message in enumerate(self.messages or []):
            role = message["role"]
            made.append(chip("<|im_start|>", "template", special=True))
            made += [
                chip(word, role, trained=role == "assistant", message=place)
                for word in re.findall(r"\s?\S+|\s", message["content"])
            ]
            made.append(chip("<|im_end|>", role, trained=role == "assistant", special=True, message=place))
        for place, token in enumerate(made):
            token["cut"] = place >= limit
            token["trained"] = token["trained"] and not token["cut"]
        return made

    def shown(self, limit: int) -> dict[str, Any]:
        if self.finding is not None:
            raw = {"text": self.text} if self.data is None else {"data": self.data}
            return {"row": self.number, "finding": self.finding, **raw}
        tokens = self.tokens(limit)
        return {
            "row": self.number,
            "shape": self.shape,
            "messages": self.messages,
            "data": self.data,
            "tokens": tokens,
            "left_out": 0,
            "left_out_before": 0,
            "length": len(tokens),
            "kept": min(len(tokens), limit),
            "trained": sum(token["trained"] for token in tokens),
            "finding": None,
        }


def chip(
    text: str, role: str, trained: bool = False, special: bool = False, message: int | None = None
) -> dict[str, Any]:
    return {
        "id": sum(map(ord, text)),
        "text": text,
        "role": role,
        "trained": trained,
        "special": special,
        "message": message,
    }


def finding(code: str, severity: str, row: int | None, message: str, fix: str = "", why: str = "") -> dict[str, Any]:
    said = {"message": Sentence(message), "fix": Sentence(fix) if fix else None, "why": Sentence(why) if why else None}
    return {"row": row, "code": code, "severity": severity, **said, "evidence": [], "action": None, "edits": []}


class FakeRows:
    """check, rows, clean and from_hub. `asked` and `_note` are the fake backend's."""

    hub_path: str = ""
    """The folder that the last fetch wrote, to see it gone."""
    hub_cancelled: threading.Event

    def check(
        self,
        text: str = "",
        file: str = "",
        model: str = "",
        options: dict[str, Any] | None = None,
        tell: Callable[[dict[str, Any]], None] = lambda news: None,
    ) -> dict[str, Any]:
        self._note("check_dataset", text, file, model, options)
        options = {"max_length": 512, "seed": 42, **(options or {})}
        rows, dropped, kept = self._rows(text, file, options)
        usable = [row for row in rows if row.finding is None]
        shown = [row.shown(options["max_length"]) for row in usable]
        tell({"fraction": 0.0, "rows": len(rows), "preview": shown[:3]})
        found = [item for item in _findings(rows, shown, options) if (item["row"], item["code"]) not in kept]
        held_out = [row.number for row in usable[-1:]] if len(usable) > 1 else []
        columns: dict[str, Any] = {}
        for row in rows:
            for name, value in (row.data or {}).items():
                columns.setdefault(name, {"name": name, "filled": 0, "sample": str(value)[:60]})["filled"] += 1
        return {
            "format": "messages",
            "rows": len(rows) + dropped,
            "usable_rows": len(usable),
            "dropped_rows": dropped,
            "tokens": sum(row["kept"] for row in shown),
            "trained_tokens": sum(row["trained"] for row in shown if row["row"] not in held_out),
            "held_out_tokens": sum(row["trained"] for row in shown if row["row"] in held_out),
            "truncated_rows": sum(row["kept"] < row["length"] for row in shown),
            "findings": found,
            "findings_left_out": 0,
            "preview": shown[:3],
            "source": {"file_format": "jsonl", "encoding": "utf-8"},
            "shapes": [
                {
                    "shape": shape,
                    "rows": sum(row.shape == shape for row in usable),
                    "reason": Sentence("Its keys say so."),
                }
                for shape in dict.fromkeys(row.shape for row in usable)
            ],
            "columns": list(columns.values()),
            "mapping": options.get("mapping") or {},
            "max_length": options["max_length"],
            "lengths": _lengths([row["length"] for row in shown], options["max_length"]),
            "padding": {"batch": 4, "shuffled": 0.31, "grouped": 0.08},
            "split": {
                "train": len(usable) - len(held_out),
                "held_out": len(held_out),
                "seed": options["seed"] if options.get("shuffle_dataset", True) else None,
                "held_out_rows": held_out,
            },
            "epochs": {"steps": 16, "seen": 8.0},
            "codes": _codes(found),
        }

    def rows(
        self,
        text: str = "",
        file: str = "",
        model: str = "",
        options: dict[str, Any] | None = None,
        page: int = 1,
        per_page: int = 5,
        query: str = "",
        rows: list[int] | None = None,
    ) -> dict[str, Any]:
        self._note("dataset_rows", text, file, model, options, page, per_page, query, rows)
        options = {"max_length": 512, **(options or {})}
        found = [
            row
            for row in self._rows(text, file, options)[0]
            if (rows is None or row.number in rows) and query.casefold() in (row.text + str(row.data)).casefold()
        ]
        pages = max(-(-len(found) // per_page), 1)
        page = min(max(page, 1), pages)
        shown = [row.shown(options["max_length"]) for row in found[(page - 1) * per_page : page * per_page]]
        return {"page": page, "pages": pages, "total": len(found), "rows": shown}

    def clean(self, text: str = "", file: str = "", model: str = "", options: dict[str, Any] | None = None) -> Path:
        self._note("clean_rows", text, file, model, options)
        path = Path(tempfile.mkdtemp(prefix="fake-rows-")) / "rows.jsonl"
        rows = [row for row in self._rows(text, file, options or {})[0] if row.messages]
        path.write_text("".join(json.dumps({"messages": row.messages}) + "\n" for row in rows), encoding="utf-8")
        return path

    def from_hub(
        self,
        name: str,
        config: str,
        split: str,
        count: int,
        tell: Callable[[dict[str, Any]], None],
        is_cancelled: Callable[[], bool],
    ) -> dict[str, Any]:
        """A dataset named silent/... says nothing and never comes."""
        self._note("hub_rows", name, config, split, count)
        if "/" not in name:
            raise InputError(Sentence("“{name}” is not the name of a dataset.", name=name))
        while name.startswith("silent/") and not is_cancelled():
            time.sleep(0.01)
        if is_cancelled():
            self.hub_cancelled.set()
            raise PlaygroundError(Sentence("Fetching {name} was cancelled.", name=name))
        tell({"line": Sentence("Reading rows: {rows} of {count}.", rows=count // 2, count=count), "fraction": 0.5})
        path = Path(tempfile.mkdtemp(prefix="fake-hub-")) / "owner-name.jsonl"
        path.write_text('{"prompt": "From the Hub", "completion": "Here"}\n' * count, encoding="utf-8")
        self.hub_path = str(path.parent)
        parts = {"config": config or "default", "split": split or "train"}
        lists = {"configs": ["default", "other"], "splits": ["train", "test"]}
        return {"path": str(path), "name": name, "rows": count, "notes": [Sentence("A note.")], **parts, **lists}

    def _rows(self, text: str, file: str, options: dict[str, Any]) -> tuple[list[Row], int, set[tuple[int, str]]]:
        """Rows that were not dropped, how many were, and the findings that are kept."""
        if file and Path(file).is_file():
            text = Path(file).read_text(encoding="utf-8")
        rows = [Row(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        mapping = options.get("mapping") or {}
        for row in rows:
            row.read(mapping)
        dropped, kept = set(), set()
        for edit in options.get("edits") or []:
            dropped |= set(edit["rows"]) if edit["do"] == "drop" else set()
            kept |= {(row, edit["code"]) for row in edit["rows"]} if edit["do"] == "keep" else set()
            for row in rows:
                if row.number in edit["rows"]:
                    row.edit(edit, mapping)
        left = [row for row in rows if row.number not in dropped]
        return left, len(rows) - len(left), kept


def _findings(rows: list[Row], shown: list[dict[str, Any]], options: dict[str, Any]) -> list[dict[str, Any]]:
    found = [row.finding for row in rows if row.finding]
    seen: dict[str, int] = {}
    for row in rows:
        if row.messages is None:
            continue
        words = " ".join(message["content"] for message in row.messages)
        if words.strip() in seen:
            message = f"Row {row.number} is the same as row {seen[words.strip()]}."
            found.append(
                finding("duplicate", "warning", row.number, message, "Drop all but one.", "It is learned twice.")
            )
            found[-1]["edits"] = ["drop", "keep"]
        seen.setdefault(words.strip(), row.number)
        if any(message["content"] != message["content"].strip() for message in row.messages):
            message = f"Row {row.number} has blanks around its words."
            found.append(
                finding("outer_whitespace", "info", row.number, message, "Trim them.", "They are learned too.")
            )
            found[-1]["edits"] = ["trim", "drop", "keep"]
        if _MAIL.search(words):
            message = f"Row {row.number} has an e-mail address: a…@example.org."
            found.append(
                finding("private_data", "warning", row.number, message, "Mask it.", "A model may say it again.")
            )
            found[-1]["edits"] = ["mask", "drop", "keep"]
    for row in shown:
        if row["kept"] < row["length"]:
            found.append(
                finding(
                    "answer_cut",
                    "warning",
                    row["row"],
                    f"The answer of row {row['row']} is cut off.",
                    "Raise the maximum length.",
                    "It learns to stop in the middle.",
                )
            )
            found[-1]["edits"] = ["drop", "keep"]
    if 0 < len(shown) < 10:
        few = f"There are only {len(shown)} training rows."
        found.append(finding("too_few_rows", "warning", None, few, "Add rows.", "The model learns them by heart."))
    return found


def _codes(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds: dict[str, list[dict[str, Any]]] = {}
    for item in found:
        kinds.setdefault(item["code"], []).append(item)
    order = {"error": 0, "warning": 1, "info": 2}
    return [
        {
            **{key: same[0][key] for key in ("code", "severity", "message", "why", "fix")},
            "count": len(same),
            "rows": [item["row"] for item in same if item["row"] is not None],
            "edits": [
                {"do": do, "rows": [item["row"] for item in same if do in item["edits"]]}
                for do in dict.fromkeys(do for item in same for do in item["edits"])
            ],
        }
        for same in sorted(kinds.values(), key=lambda same: order[same[0]["severity"]])
    ]


def _lengths(lengths: list[int], max_length: int) -> dict[str, Any] | None:
    if not lengths:
        return None
    width = max(-(-max(lengths) // 12), 1)
    bins = [
        {"start": start + 1, "end": start + width, "rows": sum(start < length <= start + width for length in lengths)}
        for start in range(0, max(lengths), width)
    ]
    ranked = sorted(lengths)
    return {
        "bins": bins,
        "median": ranked[len(ranked) // 2],
        "p95": ranked[int(0.95 * (len(ranked) - 1))],
        "max": ranked[-1],
        "over": sum(length > max_length for length in lengths),
    }
