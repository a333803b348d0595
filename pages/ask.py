"""Ask: what a large vision-language model says about people, before and after."""

from core.ui.ask.page import ask
from core.ui.parts import frame

frame.through_app()
ask()
