"""What concerns a whole batch, wherever its rows are: all in this process, or a share of them in each of several.

A loss that asks its share for every sum over rows is the same number everywhere. Each process gets the gradient of its
own rows; added up they are the gradient of the whole batch, because the way back through a sum is the same for all.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor


class Share:
    """All rows of the batch are here."""

    def own(self, n: int) -> slice:
        """Which of the n rows of a batch are here."""
        return slice(0, n)

    def rows(self, x: Tensor) -> int:
        """Rows of the whole batch, of which x holds those that are here."""
        return len(x)

    def total(self, values: Tensor) -> Tensor:
        """The sum over all shares; its gradient is that of the values here."""
        return values

    def mean(self, per_row: Tensor) -> Tensor:
        """Mean (...) over the rows of the batch of per_row (rows here, ...)."""
        return per_row.mean(dim=0)

    def any(self, mask: Tensor) -> Tensor:
        """Where the mask of any share is True."""
        return mask

    def count(self, n: int) -> int:
        """The sum of a whole number over all shares."""
        return n

    def smallest(self, values: Tensor) -> Tensor | None:
        """() the smallest of all shares' values (m,); None where there are none."""
        return values.min() if len(values) else None

    def largest(self, values: Tensor, count: int) -> Tensor:
        """Rising places in `values` (m,), all above 0, of those among the `count` largest of all shares.

        Of equal values the first ones, in the order of the batch.
        """
        if len(values) <= count:
            return torch.arange(len(values), device=values.device)
        return first_largest(values, count).nonzero().flatten()

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Put the sum over all shares into each of the tensors."""


WHOLE = Share()


class PartShare(Share):
    """Some rows of a batch of `batch` rows: one part of `size`, the others in the other processes of the group."""

    def __init__(self, rank: int, size: int, batch: int) -> None:
        self.rank, self.size, self.batch = rank, size, batch

    def own(self, n: int) -> slice:
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def rows(self, x: Tensor) -> int:
        return self.batch

    def total(self, values: Tensor) -> Tensor:
        return _Total.apply(values)

    def mean(self, per_row: Tensor) -> Tensor:
        return self.total(per_row.sum(dim=0)) / self.batch

    def any(self, mask: Tensor) -> Tensor:
        return self._reduced(mask.to(torch.int32), distributed.ReduceOp.MAX).bool()

    def count(self, n: int) -> int:
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        return int(self._reduced(torch.tensor(n, device=device), distributed.ReduceOp.SUM))

    def smallest(self, values: Tensor) -> Tensor | None:
        here = values.min() if len(values) else values.new_full((), torch.inf)
        least = self._reduced(here.clone(), distributed.ReduceOp.MIN)
        return least if least.isfinite() else None

    def largest(self, values: Tensor, count: int) -> Tensor:
        places = WHOLE.largest(values, count)
        here = values.new_zeros(count)
        here[: len(places)] = values[places]
        everybody = [torch.empty_like(here) for _ in range(self.size)]
        distributed.all_gather(everybody, here)
        chosen = first_largest(torch.cat(everybody), count).view(self.size, count)
        return places[chosen[self.rank, : len(places)]]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        tensors = list(tensors)
        joined = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(joined)
        for tensor, summed in zip(tensors, joined.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(summed.view_as(tensor))

    def _reduced(self, values: Tensor, operation: Any) -> Tensor:
        distributed.all_reduce(values, operation)
        return values


class _Total(torch.autograd.Function):
    """The sum over all processes; on the way back every process keeps the gradient of its own part."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> Tensor:
        return outer


def first_largest(values: Tensor, count: int) -> Tensor:
    """Mask of the `count` largest of values (m,), m >= count; of equal ones the first."""
    least = values.topk(count, sorted=False).values.min()
    chosen = values > least
    ties = (values == least).nonzero().flatten()
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen
