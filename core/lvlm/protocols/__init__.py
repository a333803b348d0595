"""One file a protocol; each registers its class."""
