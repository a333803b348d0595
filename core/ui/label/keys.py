"""The keys of the keyboard that say what a neuron answers to, and what stands on their buttons."""

from core.labelling import DETAILS

SHORT = {"other": "Other social", "race appearance": "Race app."}
KEYS: tuple[tuple[str, str, str | None, str], ...] = (
    *(
        (str(n), "social", detail, SHORT.get(detail, detail.capitalize()))
        for n, detail in enumerate(DETAILS["social"], 1)
    ),
    ("5", "context", None, "Context"),
    *((str(n), "artefact", detail, detail.capitalize()) for n, detail in enumerate(DETAILS["artefact"], 6)),
    ("9", "unclear", None, "Unclear"),
)
"""Key, type, attribute, what stands on the button."""


def with_key(name: str, letter: str) -> str:
    """A button's name with the key that presses it."""
    return f"{name} :gray[{letter}]"
