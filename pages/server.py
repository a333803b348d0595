"""Server: how the team's server is, and what was done on it."""

from core.ui.parts import frame
from core.ui.server.page import server

frame.through_app()
server()
