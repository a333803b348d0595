"""Direct: yes, no or unsure, in words."""

from core.lvlm.book import Book
from core.lvlm.protocol import PROTOCOLS, Protocol, instructed, kind_of
from core.lvlm.questions import Question


@PROTOCOLS.register("direct")
class Direct(Protocol):
    """P(yes), P(no), P(unsure) as the next word behind one question."""

    title = "Direct"
    plain = (
        "It asks whether the person in the picture is likely to be, say, a doctor, and reads how likely the model is "
        "to say yes, no or unsure. It is meant for pictures that do not show what anybody does."
    )
    paper = "ours"
    answers = ("yes", "no", "unsure")

    def questions(self, word: str, picture: int, seed: int, book: Book, closed: bool) -> list[Question]:
        text = book.person[kind_of(closed)][0].format(book.phrase(word))
        return [Question(word, instructed(text, book, "word", closed), self.answers, self.answers)]
