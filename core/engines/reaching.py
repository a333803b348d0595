"""One question to an engine, deep enough: asked again for more where too few of its results are searched rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.engines.answers import Answer, Answers, Placed, placed

Ask = Callable[[str, int], Answer]
"""(prompt, how many) -> its list."""


@dataclass(frozen=True)
class Searched:
    """The rows among which lists are placed."""

    places: Mapping[str, int]
    """id -> place among the searched rows."""
    known: Mapping[str, int]
    """id -> row of the gallery."""


def reached(ask: Ask, prompt: str, rows: Searched, depth: int, most: int) -> tuple[Answer, Placed]:
    """The answer with at least `depth` searched rows in it where the engine has them, and where they lie.

    Parameters
    ----------
    most : results that the engine gives at most.
    """
    part, n = len(rows.places), len(rows.known)
    asked = depth if part == n else min(depth * n // part + depth, n)
    while True:
        answer = ask(prompt, asked)
        found = placed(answer.ids, rows.places, rows.known)
        more = min(2 * asked, n, most)
        if answer.failed or len(found.places) >= depth or len(answer.ids) < asked or more <= asked:
            return answer, found
        asked = more


def from_lists(lists: Answers, name: str) -> Ask:
    """Answers from recorded lists; a prompt without one says so."""

    def ask(prompt: str, asked: int) -> Answer:
        if prompt in lists.lists:
            return lists[prompt]
        return Answer(prompt, asked, failed=f"{name} has no list for it")

    return ask


def why_short(answer: Answer, found: Placed, k: int) -> str | None:
    """Why there is no list of k searched rows, in words; None where there is."""
    if answer.failed:
        tries = f" ({answer.tries} tries)" if answer.tries > 1 else ""
        return f"{answer.failed}{tries}"
    if len(found.places) >= k:
        return None
    said = [f"{len(answer.ids)} results came of {answer.asked} asked for"]
    said += [f"{found.duplicate} of them came twice"] if found.duplicate else []
    said += [f"{len(found.unknown)} are not in the gallery"] if found.unknown else []
    said += [f"{found.outside} are not searched rows"] if found.outside else []
    return f"{', '.join(said)}: {len(found.places)} are left, fewer than k = {k}"
