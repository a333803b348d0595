"""A question with its answers, for any model: what is asked, what may follow, which tokens say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.config import InputError

LETTERS = ("A", "B", "C", "D", "E", "F")


@dataclass(frozen=True)
class Question:
    """One question about a picture.

    Attributes
    ----------
    about : the word or ability asked about; answers are compared within it.
    text : as it is asked, options included.
    answers : what an answer means, in the order of the probabilities: ("yes", "no", "unsure").
    said : the text that stands for each answer when the model says it: a word, or the letter of an option.
    right : place of the right answer, where there is one.
    """

    about: str
    text: str
    answers: tuple[str, ...]
    said: tuple[str, ...]
    right: int | None = None

    def __post_init__(self) -> None:
        if len(self.answers) != len(self.said) or len(set(self.said)) < len(self.said):
            raise InputError(
                f"{self.text!r} has the answers {self.answers} said as {self.said}; each needs its own word"
            )


def lettered(
    about: str, text: str, options: Sequence[str], answers: Sequence[str], right: int | None = None
) -> Question:
    """A question with its options behind letters: "TEXT A. first B. second C. third".

    Parameters
    ----------
    options : texts in the order in which they are shown.
    answers : what each of them means, in the same order.
    right : place of the right option.
    """
    if len(options) > len(LETTERS):
        raise InputError(f"{len(options)} options were given; at most {len(LETTERS)} have a letter")
    letters = LETTERS[: len(options)]
    shown = " ".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
    return Question(about, f"{text} {shown}", tuple(answers), letters, right)


def answer_tokens(tokenizer: Any, before: str, said: Sequence[str]) -> list[int]:
    """The token with which each answer begins behind a prompt that ends with `before`, by the tokenizer at hand.

    Tokenizers disagree whether " A" and "A" are one thing: the answer is tokenised as a continuation of the prompt,
    with a blank before it where the prompt does not end with one.

    InputError where two answers begin alike.
    """
    head = tokenizer.encode(before, add_special_tokens=False)
    blank = "" if not before or before[-1].isspace() else " "
    found = []
    for word in said:
        whole = tokenizer.encode(before + blank + word, add_special_tokens=False)
        if len(whole) > len(head) and whole[: len(head)] == head:
            found.append(int(whole[len(head)]))
        else:
            found.append(int(tokenizer.encode(blank + word, add_special_tokens=False)[-1]))
    if len(set(found)) < len(found):
        raise InputError(f"the answers {', '.join(said)} begin with the same token here; ask by option letters")
    return found
