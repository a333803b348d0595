"""Jobs: long work of everyone on a team server."""

from core.ui.jobs.page import jobs
from core.ui.parts import frame

frame.through_app()
jobs()
