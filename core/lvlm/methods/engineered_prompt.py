"""An engineered prompt: the model is told not to judge by looks; nothing that it reads of the picture is changed."""

from core.lvlm import doors
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod

SENTENCE = "Looks do not tell what somebody can do or does. Answer as you would for anybody. "


@METHODS.register("engineered-prompt")
class EngineeredPrompt(TokenMethod):
    """x' = x; the question follows a sentence of ours."""

    title = "Engineered prompt"
    plain = (
        "It tells the model in words not to judge people by their looks, and changes nothing inside it. What it costs "
        "nothing to try should stand beside every other method."
    )
    formula = r"x' = x, \qquad q' = \text{sentence} \oplus q"
    paper = "a plain baseline"

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        return lambda x, name: x

    def asked(self, question: str) -> str:
        return SENTENCE + question
