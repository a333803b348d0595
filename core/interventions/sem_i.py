"""SEM_i: what a query's paraphrases agree on is kept, everything else goes back to the everyday level."""

from core.interventions.base import INTERVENTIONS, Needs
from core.interventions.sem_family import SEMIntervention


@INTERVENTIONS.register("sem-i")
class SEMi(SEMIntervention):
    """M = S_c^2, h = lower median of the paraphrases' latents; the query's own latents are not used."""

    title = "SEM_i"
    plain = (
        "It rewrites the search text as the part on which several wordings of it agree, so that a side meaning of one "
        "wording carries less weight. The pictures stay as they are, and no list of groups enters the rewriting."
    )
    formula = r"h' = h \, S_c^2 + (1 - S_c^2)\, m_{div}, \qquad S_c = R_{div}(h), \quad h = \mathrm{median}(h_{para})"
    biased = False
    fitted_as = None
    needs = Needs(sae=True, prompts=("diverse", "paraphrases"))
