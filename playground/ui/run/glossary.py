"""The terms of a run's report, a sentence each, for somebody who reads it without the app."""

from __future__ import annotations

from playground.core.i18n import Sentence, say


def glossary() -> list[tuple[Sentence, Sentence]]:
    """(term, what it means), in the order in which the report uses them."""
    return [*_data_terms(), *_training_terms(), *_result_terms()]


def _data_terms() -> list[tuple[Sentence, Sentence]]:
    return [
        (
            say("Supervised fine-tuning"),
            say("A model that was trained already learns further from examples of questions with their answers."),
        ),
        (say("Token"), say("A piece of text, often part of a word: what a model reads and writes one at a time.")),
        (
            say("Supervised token"),
            say("A token that the model is trained to write. Those of questions are only read."),
        ),
        (
            say("Held-out rows"),
            say("Rows kept out of training, to see what the model makes of rows that it never saw."),
        ),
        (
            say("Everyday questions"),
            say("Questions that have nothing to do with the rows. They show what was forgotten."),
        ),
    ]


def _training_terms() -> list[tuple[Sentence, Sentence]]:
    return [
        (say("Base"), say("The model before this training; its own weights stay as they are.")),
        (
            say("Adapter (LoRA)"),
            say("Small matrices beside the base's weights: only they are trained, and only they are saved."),
        ),
        (say("Rank"), say("The size of these matrices: room for what is learned.")),
        (
            say("4-bit (QLoRA)"),
            say("The base's weights are stored with 4 bits each while the adapter is trained at full precision."),
        ),
        (say("Step"), say("One update of the adapter, after one batch of rows.")),
        (say("Epoch"), say("One pass over all training rows.")),
        (say("Learning rate"), say("How far one step moves the weights.")),
        (
            say("Gradient norm"),
            say("How strongly the rows of a step pull at the weights; a sudden jump is a sign of trouble."),
        ),
        (say("Seed"), say("The number that all chance is drawn from; the same seed gives the same run.")),
    ]


def _result_terms() -> list[tuple[Sentence, Sentence]]:
    return [
        (
            say("Loss"),
            say(
                "How surprised the model is by the right answer, in nats per token. 0 means certain; "
                "0.7 means that it gave the right token a chance of one half."
            ),
        ),
        (say("Token accuracy"), say("How often the model's first choice is the right token.")),
        (
            say("95 % interval"),
            say("Where the true change most likely is, found by drawing the rows again and again (bootstrap)."),
        ),
        (
            say("Overfitting"),
            say("The loss on training rows still falls while that on held-out rows rises: rows are learned by heart."),
        ),
        (say("Probe"), say("A fixed question that is answered before training and again and again while it goes on.")),
    ]
