"""Memory between two questions: what a toggle of one neuron does not change is not computed again."""

from core.memo import Memo


class Bench(Memo):
    """Results of pure steps by the digests of everything they depend on; the oldest go when memory is full.

    One bench may serve many sessions: it holds nothing of a session's choices, only results that are equal for equal
    keys (strings and numbers). Uploads never go through it.

    Parameters
    ----------
    max_bytes : memory that the kept results may take together (arrays counted by `nbytes`).
    """

    def __init__(self, max_bytes: int = 2 << 30) -> None:
        super().__init__(max_bytes=max_bytes)

    remember = Memo.__call__
