"""Audits: from a spec that was written before looking to everything that was found; see `core.audit.run`."""
