"""The chat templates that can be chosen by name: read from the installed TRL package, never copied.

Finding them does not import TRL (which would import torch): only its folder is looked up.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from playground.errors import NotFoundError
from playground.words import say

OWN = Path(__file__).resolve().parent.parent / "assets" / "templates"


@lru_cache
def gallery() -> dict[str, Path]:
    """Name -> .jinja file. TRL's come first; a file of this project wins over one of the same name."""
    folders = []
    spec = find_spec("trl")
    if spec is not None and spec.submodule_search_locations:
        folders.append(Path(spec.submodule_search_locations[0]) / "chat_templates")
    folders.append(OWN)
    return {path.stem: path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.jinja"))}


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
