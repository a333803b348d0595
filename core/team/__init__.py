"""A team server: its configuration, who comes in, what was done, and how it is run."""
