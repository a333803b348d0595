"""The pages of the app, in the order of the menu, each with the actions for which it is there."""

from collections.abc import Sequence
from typing import NamedTuple

from core import access


class Listed(NamedTuple):
    """A page of the app, as the navigation lists it."""

    file: str
    title: str
    help: str
    actions: tuple[str, ...]
    """Whoever may do one of them sees the page."""
    of_a_team: bool = False
    """Whether it is there on a team server alone."""


PAGES = [
    Listed("start", "Start", "What is loaded, the guided demo, and your own faces or captions", ("look",)),
    Listed("neurons", "Neurons", "Find neurons that carry gender, race or age, and see what they answer to", ("look",)),
    Listed(
        "label",
        "Label",
        "Say what neurons answer to, with one hand on the keyboard; several raters, agreement, sets",
        ("label", "adjudicate", "freeze-labels"),
    ),
    Listed("compare", "Compare", "A prompt before and after neurons are switched off, and what it costs", ("compare",)),
    Listed("ask", "Ask", "What a large vision-language model says about people, before and after", ("ask",)),
    Listed("report", "Report", "An audit with its findings, to export and to verify", ("look",)),
    Listed("benchmark", "Benchmark", "Every method side by side on a gallery, and the papers' studies", ("benchmark",)),
    Listed("data_and_models", "Data & models", "Choose, build and import galleries, models and SAEs", ("open",)),
    Listed("jobs", "Jobs", "What waits, what runs and what came of it", ("see-jobs",), of_a_team=True),
    Listed("server", "Server", "Disk, memory, sessions, and the record of what was done", ("operate",), of_a_team=True),
    Listed("guide", "Guide", "What every word means, what every number says, and how to go on from here", ("look",)),
]


def shown(pages: Sequence[Listed]) -> list[Listed]:
    """The pages that the one who acts may use."""
    here = [page for page in pages if access.configured() or not page.of_a_team]
    return [page for page in here if any(access.may(action) for action in page.actions)]
