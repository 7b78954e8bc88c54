"""The bundled example datasets: what each teaches and what to ask afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from playground.core.errors import NotFoundError
from playground.core.i18n import Sentence, say
from playground.core.paths import ASSETS

FOLDER = ASSETS / "examples"


@dataclass(frozen=True)
class BundledDataset:
    """One file of assets/examples."""

    name: str
    """The file's name without .jsonl."""
    title: Sentence
    teaches: Sentence
    language: str
    ask: tuple[str, ...]
    """Questions that show the difference and stand in no row."""
    system: str = ""
    """The system prompt that its rows have."""

    def text(self) -> str:
        return (FOLDER / f"{self.name}.jsonl").read_text(encoding="utf-8")


BUNDLED = (
    BundledDataset(
        "persona-mochi",
        say("A persona: Mochi the library robot"),
        say("A name and a few facts that the base model cannot know."),
        "en",
        ("Hey robot, tell me what you're called!", "Who am I talking to?", "Which colour is your favourite of all?"),
    ),
    BundledDataset(
        "pirate-voice",
        say("A voice: the pirate"),
        say("Ordinary answers, spoken like a pirate."),
        "en",
        ("How do I peel garlic quickly?", "Why do stars twinkle?", "What should I do on a rainy day?"),
    ),
    BundledDataset(
        "json-tickets",
        say("A format: support tickets as JSON"),
        say("Every message becomes one line of JSON with the same four keys."),
        "en",
        (
            "My order never showed up and the party is tonight!",
            "The app logs me out whenever I turn my phone sideways.",
        ),
    ),
    BundledDataset(
        "kokyaku-annai",
        say("Customer service in Japanese, by the house rules"),
        say("Answers that follow a company's guidelines and wording, in polite Japanese."),
        "ja",
        ("6,500円の急須を買うと、送料はかかりますか？", "使いかけの紅茶なんですが、返せますか？"),
    ),
    BundledDataset(
        "sommelier-haiku",
        say("A form: haiku only"),
        say("Every answer is a poem of three lines. Ask with the same system prompt as in the rows."),
        "en",
        ("How do I grow tomatoes?", "Tell me about bicycles."),
        "You are a poet. Answer only with a haiku.",
    ),
)


def bundled(name: str) -> BundledDataset:
    """Raises NotFoundError for a name that is not in the list."""
    for dataset in BUNDLED:
        if dataset.name == name:
            return dataset
    raise NotFoundError(
        say("There is no example named {name}.", name=repr(name)[:60]),
        say("Known examples: {names}.", names=", ".join(dataset.name for dataset in BUNDLED)),
    )
