"""Where people keep their vectors, one kind a file: read as a gallery, or written anew with edited rows."""

from core.stores.addresses import shown
from core.stores.base import STORES, Applied, Change, Options, Snapshot, Store, store_of, takes_addresses

__all__ = ["STORES", "Applied", "Change", "Options", "Snapshot", "Store", "shown", "store_of", "takes_addresses"]
