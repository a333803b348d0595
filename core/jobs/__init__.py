"""Long work of a team: one store, worker processes, and every kind of work in one file."""
