"""What an outside search answers to a question, beside the exact ranking of the same rows."""

from dataclasses import dataclass

import numpy as np

from core import access
from core.engines.answers import Answer, Placed
from core.engines.reaching import Ask, Searched, reached, why_short
from core.gallery import Gallery
from core.ranking.measures import ListNumbers, list_numbers
from core.ranking.results import RankResult

NAMED = 5
"""Strange ids that are told by name."""


@dataclass(frozen=True, eq=False)
class OutsideAnswer:
    """An engine's list among the searched rows, counted as the exact ranking is."""

    name: str
    answer: Answer
    found: Placed
    rows: np.ndarray
    """Rows of the gallery, best first, at most k."""
    numbers: ListNumbers | None
    """Lean and metrics of these rows; None where not one of them came."""
    short: str | None
    """Why it is no list of k searched rows, in words; None where it is."""

    def recall(self, exact: np.ndarray) -> float | None:
        """Share of an exact ranking's rows (k,) that this list has, in [0, 1]; None where there is no list."""
        return len({*exact.tolist()} & {*self.rows.tolist()}) / len(exact) if len(self.rows) else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was strange about the list, one line each."""
        said = []
        if self.found.duplicate:
            said.append(f"{self.found.duplicate} results came twice; the first place counts")
        if self.found.unknown:
            named = ", ".join(self.found.unknown[:NAMED])
            said.append(f"{len(self.found.unknown)} results are no items of the gallery ({named}) and do not count")
        if self.found.outside:
            said.append(f"{self.found.outside} results are items of the gallery that are not searched rows")
        return tuple(said)


def outside_answer(name: str, ask: Ask, most: int, ranked: RankResult, gallery: Gallery) -> OutsideAnswer:
    """Ask an engine the question that `ranked` answers exactly.

    What cannot be had is said in `short`, nothing is raised for it; where fewer than k came, these are counted.

    Parameters
    ----------
    most : results that the engine gives at most.
    ranked : the exact ranking of the same question.
    """
    access.require("compare")
    part, request = ranked.part, ranked.request
    rows = Searched(
        {one: place for place, one in enumerate(gallery.item_ids(part.rows))},
        {one: row for row, one in enumerate(gallery.item_ids(np.arange(gallery.n)))},
    )
    answer, found = reached(ask, str(request.query), rows, request.k, most)
    top = np.array(found.places[: request.k], dtype=np.int64)
    numbers = list_numbers(part.labels[top], part, request.seed, top=top) if len(top) else None
    return OutsideAnswer(name, answer, found, part.rows[top], numbers, why_short(answer, found, request.k))
