"""The page Start: what is loaded, the guided demo, and a person's own pictures and captions."""
