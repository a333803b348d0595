"""What is not asked about somebody's own picture: who a person is. Groups come from tables, never from a model."""

from __future__ import annotations

import re

from core.config import InputError

PEOPLE = r"(?:person|people|man|woman|men|women|boy|girl|individual|face|he|she|they)"
GROUPS = (
    r"gender|sex|male|female|man|woman|men|women|boy|girl|lady|gentleman|masculine|feminine|non-?binary|transgender|trans",
    r"race|racial|ethnicity|ethnic|caucasian|asian|african|latin[oax]?|hispanic|arab|indian|jewish|roma|indigenous",
    r"skin|complexion|nationality|citizenship|foreign(?:er)?|immigrant|migrant|origin|ancestry|descent",
    r"age|aged|old|older|elderly|young|younger|teenager|minor|years",
    r"religion|religious|muslim|christian|hindu|buddhist|atheist|catholic|protestant|sikh",
    r"gay|lesbian|bisexual|heterosexual|homosexual|queer|orientation",
    r"disabled|disability|pregnant|ill|illness|autistic",
    r"criminal|illegal|terrorist",
)
"""Words for belonging to a group, for being ill or guilty: of an uploaded picture none of it is asked."""
COLOURED = "|".join(
    (
        rf"\b(?:black|white|brown)\s+{PEOPLE}\b",
        rf"\b{PEOPLE}\s+(?:is\s+)?(?:black|white|brown)\b",
    )
)
"""Colours are asked about; of people they are groups."""
IDENTITY = "|".join(
    (
        r"\bwho\s+(?:is|are)\s+(?:this|that|he|she|it|they|the\s+person)(?:\s+person)?\s*\?",
        r"\bname\s+of\b|\bname\s*\?",
        r"\bidentify\b|\brecogni[sz]e\b",
        r"\bwhere\b.*\bfrom\b",
    )
)
_FOUND = re.compile(rf"\b(?:{'|'.join(GROUPS)})\b|{COLOURED}|{IDENTITY}", re.IGNORECASE)


def asks_who_somebody_is(question: str) -> str | None:
    """The word of a question that asks which group a person belongs to, or who it is; None where there is none."""
    found = _FOUND.search(question)
    return found.group(0).strip() if found else None


def require_askable(question: str) -> None:
    """InputError for a question about an uploaded picture that asks who a person is."""
    word = asks_who_somebody_is(question)
    if word is not None:
        raise InputError(
            f"the question asks who a person is ({word!r}), which is not answered for an uploaded picture: groups come "
            "from tables, never from a model; ask about what can be seen, or about a role or a trait"
        )
