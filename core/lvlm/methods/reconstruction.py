"""A control: what passing through the SAE does by itself, with no neuron switched."""

from core.interventions.reconstruction import reconstruction
from core.lvlm import doors
from core.lvlm.methods.neuron_edit import switch
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod


@METHODS.register("reconstruction")
class Reconstruction(TokenMethod):
    """x'_t = alpha (z_t W_dec + b_dec) + (1 - alpha) x_t, alpha the edit's in the blend form, else 1."""

    title = "SAE reconstruction only"
    plain = (
        "What the language model reads is taken apart into neurons and put together again, with no neuron switched. "
        "Whatever changes here is a loss of the tool itself and no effect of any method."
    )
    formula = r"x'_t = \alpha\,(z_t\, W^{dec} + b^{dec}) + (1 - \alpha)\, x_t"
    paper = "a control"

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        return switch(evidence.require_sae(), reconstruction(edit.edit), edit.tokens)
