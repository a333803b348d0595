"""One file a method that changes read tokens, or the question; each registers its class."""
