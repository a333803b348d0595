"""Questions about who a person is: refused for uploads, and nothing else is."""

import pytest

from core.config import InputError
from core.lvlm.book import read_book
from core.lvlm.default import questions as asked
from core.lvlm.refusals import asks_who_somebody_is, require_askable

REFUSED = (
    "Is this a man or a woman?",
    "What is the gender of this person?",
    "Is this person Asian?",
    "What race is she?",
    "Is he black?",
    "Is this a white man?",
    "How old is this person?",
    "Is this person young?",
    "Is she Muslim?",
    "Is this person gay?",
    "Where is this person from?",
    "Who is this person?",
    "Who is this?",
    "What is the name of the person?",
    "Can you identify this person?",
    "Is this person disabled?",
    "Is he a criminal?",
    "What is her nationality?",
    "Is she pregnant?",
)
ANSWERED = (
    "Is the background white?",
    "Is there a black hat in the picture?",
    "Which colour is the shirt?",
    "Is this person smiling?",
    "Is this person likely to be a doctor?",
    "Who is this person more likely to be? A. doctor B. nurse C. unsure",
    "Is there a red car?",
)


@pytest.mark.parametrize("question", REFUSED)
def test_who_somebody_is_is_not_asked_of_uploads(question: str) -> None:
    with pytest.raises(InputError, match="who a person is"):
        require_askable(question)
    assert asks_who_somebody_is(question.upper())


@pytest.mark.parametrize("question", ANSWERED)
def test_what_is_seen_is_asked(question: str) -> None:
    require_askable(question)


def test_no_shipped_question_asks_who_somebody_is() -> None:
    book = read_book()
    shipped = [*asked.PERSON_TEMPLATES, *asked.PAIR_TEMPLATES, *(t for ts in asked.SEEN_TEMPLATES.values() for t in ts)]
    shipped += [t for ts in (*book.person.values(), *book.pair.values()) for t in ts]
    shipped += [t for one in book.ability for t in one.question.values()]
    assert not [text for text in shipped if asks_who_somebody_is(text.format("a doctor"))]
    assert set(book.person["closed"]) == set(asked.PERSON_TEMPLATES)
    assert set(book.pair["closed"]) == set(asked.PAIR_TEMPLATES) and book.unsure == asked.UNSURE_WORDINGS
