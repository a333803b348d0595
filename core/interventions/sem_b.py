"""SEM_b: neurons of the query that answer to a group are turned down, those of its content turned up."""

from core.interventions.base import INTERVENTIONS, Needs
from core.interventions.sem_family import SEMIntervention


@INTERVENTIONS.register("sem-b")
class SEMb(SEMIntervention):
    """M = (1 + S_c - S_b)^2 with S_c of the query's own latents; M = 1, no change, where both scores are equal."""

    title = "SEM_b"
    plain = (
        "It takes the search text apart and turns down the parts that react to words for a group, for example to "
        "“man” or “woman”. The pictures stay as they are, and parts that carry the text's own content are kept."
    )
    formula = r"h' = h \, M + (1 - M)\, m_{div}, \qquad M = (1 + S_c - S_b)^2, \quad S_c = R_{div}(h)"
    paraphrased = False
    needs = Needs(sae=True, prompts=("diverse", "bias"))
