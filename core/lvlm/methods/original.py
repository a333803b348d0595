"""The model as it is."""

from core.lvlm import doors
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod


@METHODS.register("original")
class Original(TokenMethod):
    """x' = x."""

    title = "Original"
    plain = "The model as it is. Everything else is compared with this."
    formula = r"x' = x"
    paper = "a control"

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        return lambda x, name: x
