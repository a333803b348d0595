"""What an auditor states beside the numbers: what the system is for, who may be harmed, and how the data came to be.

All of it is optional and in the auditor's own words; a report says "not stated" where nothing was said. Each name is a
key of a spec's `purpose` or `data_sheet`, each value a text or a list of texts.
"""

from collections.abc import Mapping
from typing import Any

from core.config import InputError

PURPOSE = {
    "provider": "Provider",
    "deployer": "Deployer",
    "version": "Version of the system",
    "intended_use": "Intended use",
    "foreseeable_misuse": "Foreseeable misuse",
    "place_in_product": "Where in the product the ranking stands",
    "who_could_be_harmed": "Who could be harmed, and how",
    "sources_of_bias": "Sources of bias considered",
    "options_tried": "Options tried",
    "why_this_treatment": "Why this treatment",
    "residual_risk": "Residual risk",
    "human_oversight": "Who can overrule the system, and how",
    "auditor_independence": "Auditor and independence",
    "reviewers": "Reviewers",
    "validity": "Valid until, and what ends it earlier",
}
"""Keys of `purpose`, with the words of the report."""
DATA_SHEET = {
    "why_made": "Why the data set was made",
    "collected_by": "Who collected it",
    "how_collected": "How it was collected",
    "when_and_where": "When and where",
    "consent": "Consent of the people in it",
    "represents": "Whom it represents, and whom it does not",
    "preparation": "Cleaning and preparation",
    "labelled_by": "Who gave the groups, and by which instructions",
    "known_errors": "Known errors and gaps",
    "maintenance": "Who maintains it, and how errors are reported",
}
"""Keys of `data_sheet` about the gallery, in the order of a datasheet for data sets."""
SPECIAL_CATEGORIES = {
    "special_categories": "Special categories of personal data in it",
    "special_legal_basis": "Legal basis of their processing",
    "special_necessity": "Why bias cannot be found or corrected without them",
    "special_alternatives": "Other data considered, synthetic and anonymised among them",
    "special_safeguards": "Pseudonymisation, limits of re-use, security",
    "special_access": "Who has access, and how it is recorded",
    "special_transfer": "Whether others receive them",
    "special_deletion": "When they are deleted",
}
"""Keys of `data_sheet` that are the record for special categories."""
BLOCKS: dict[str, dict[str, str]] = {"purpose": PURPOSE, "data_sheet": DATA_SHEET | SPECIAL_CATEGORIES}
Text = str | tuple[str, ...]


def checked(value: Any, block: str) -> dict[str, Text]:
    """A block of a spec; entries without text are left out, as if they had not been given.

    InputError that names a key which the block does not have, or a value that is no text.
    """
    known = BLOCKS[block]
    if not isinstance(value, Mapping):
        raise InputError(f"{block} was {value!r}; expected an object with any of {', '.join(known)}")
    if unknown := [str(key) for key in value if key not in known]:
        raise InputError(f"{block} has no {', '.join(unknown)}; known: {', '.join(known)}")
    found: dict[str, Text] = {}
    for key, said in value.items():
        texts = said if isinstance(said, list | tuple) else [said]
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"{block}, {key} was {said!r}; expected a text or a list of texts")
        kept = tuple(text.strip() for text in texts if text.strip())
        if kept:
            found[key] = kept[0] if isinstance(said, str) else kept
    return found


def stated(block: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every entry of a block with its title, in order; `said` is an empty list where nothing was stated."""
    rows = []
    for key, title in BLOCKS[block].items():
        said = given.get(key, [])
        rows.append({"key": key, "title": title, "said": [said] if isinstance(said, str) else list(said)})
    return rows
