"""What the pages are made of: the session's choices, shared caches, links, and the parts that draw them."""
