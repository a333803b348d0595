"""Page Server: how the team's server is, and what was done on it."""
