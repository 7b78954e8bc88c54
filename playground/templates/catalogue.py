"""The chat templates that can be chosen by name.

TRL's are read from the installed package, never copied; the families that it lacks are in assets/templates, and a few
with one fault each in assets/templates/broken. Finding them does not import TRL (which would import torch): only its
folder is looked up.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from playground.core.errors import NotFoundError
from playground.core.i18n import say
from playground.core.paths import ASSETS

OWN = ASSETS / "templates"
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""The variables of a tokenizer's own that transformers gives to a template."""
_TWIN = "_training"


@lru_cache
def gallery() -> dict[str, Path]:
    """Name -> .jinja file, in the order to show them: by name as people count (phi3, phi3_5, phi4), each before its
    training twin, those with a fault (broken_...) last. A file of this project wins over TRL's of the same name.
    """
    spec = find_spec("trl")
    found = {}
    if spec is not None and spec.submodule_search_locations:
        trl = Path(spec.submodule_search_locations[0]) / "chat_templates"
        found.update({path.stem: path for path in trl.glob("*.jinja")})
    found.update({path.stem: path for path in OWN.glob("*.jinja")})
    faulty = {f"broken_{path.stem}": path for path in (OWN / "broken").glob("*.jinja")}
    return {name: names[name] for names in (found, faulty) for name in sorted(names, key=_as_people_count)}


def _as_people_count(name: str) -> tuple[list[tuple[int, str]], bool]:
    """gemma3 before gemma12, phi3 before phi3_5; the training twin right after its base."""
    parts = re.findall(r"\d+|[^\d_]+", name.removesuffix(_TWIN))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name.endswith(_TWIN)


def template_source(template: str) -> str | None:
    """Jinja source for "" (None: the model's own), a gallery name, or source itself.

    Raises NotFoundError for a single word that is no gallery name: it was meant as a name.
    """
    if not template:
        return None
    if template in gallery():
        return gallery()[template].read_text(encoding="utf-8")
    if "{" not in template and "\n" not in template and len(template) < 80:
        raise NotFoundError(
            say("There is no chat template named {name}.", name=template),
            say("Known names: {names}.", names=", ".join(gallery())),
            say("Choose one of these, or give the Jinja source."),
        )
    return template


def training_twin(source: str) -> str:
    """Name of the gallery's template that marks the assistant's words for `source`, "" where there is none.

    Recognised by the source itself, not by a model's name, but for space around it, as TRL's
    `get_training_chat_template` does.
    """
    return _twins().get(source.strip(), "")


@lru_cache
def _twins() -> dict[str, str]:
    """Source of each template with a training twin -> the twin's name."""
    return {
        path.read_text(encoding="utf-8").strip(): name + _TWIN
        for name, path in reversed(gallery().items())  # Where two are the same text, the first one counts.
        if name + _TWIN in gallery()
    }
