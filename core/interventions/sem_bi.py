"""SEM_bi: SEM_b with the content judged by the query's paraphrases."""

from core.interventions.base import INTERVENTIONS, Needs
from core.interventions.sem_family import SEMIntervention


@INTERVENTIONS.register("sem-bi")
class SEMbi(SEMIntervention):
    """M = (1 + S_c - S_b)^2 with S_c of the lower median of the paraphrases' latents; h is the query's own."""

    title = "SEM_bi"
    plain = (
        "It turns down the parts of the search text that react to words for a group, and decides what belongs to the "
        "text's content by asking which parts several wordings of it share. The pictures stay as they are."
    )
    formula = (
        r"h' = h \, M + (1 - M)\, m_{div}, \qquad M = (1 + S_c - S_b)^2, "
        r"\quad S_c = R_{div}(\mathrm{median}(h_{para}))"
    )
    needs = Needs(sae=True, prompts=("diverse", "bias", "paraphrases"))
