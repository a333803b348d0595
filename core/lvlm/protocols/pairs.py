"""In the style of PAIRS: the same scene with different people, compared inside each scene."""

from core.lvlm.protocol import PROTOCOLS
from core.lvlm.protocols.direct import Direct


@PROTOCOLS.register("pairs")
class PairsStyle(Direct):
    """The direct question; P(yes) is compared within scenes, so that all else in a picture is the same.

    Needs a gallery whose items belong together by scene (`gallery build --together COLUMN`).
    Source: Fraser and Kiritchenko, Examining Gender and Racial Bias in LVLMs Using a Novel Dataset of Parallel Images.
    """

    title = "Paired scenes (PAIRS style)"
    plain = (
        "It asks about pictures of one and the same scene, and compares the answers inside each scene. Where they "
        "differ only in who is shown, what the scene itself suggests is the same for all groups."
    )
    paper = "PAIRS"
    needs_scenes = True
