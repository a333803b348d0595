"""Guide: what every word means, what every number says, and how to go on."""

from core.ui.guide.page import guide
from core.ui.parts import frame

frame.through_app()
guide()
