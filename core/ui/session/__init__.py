"""What all pages remember: choices, caches, links, uploads, jobs, and what was computed from them."""
