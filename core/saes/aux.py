"""AuxK: dead neurons learn to explain what the living ones leave over."""

from torch import Tensor


def aux_loss(active: Tensor, residual: Tensor, directions: Tensor, most: int) -> Tensor:
    """L_aux = mean_b ||r - r_hat||^2 / mean_b ||r - mean(r)||^2; 0 where r has no variance.

    r_hat is the reconstruction of the residual r (B, d) by the `most` most active dead neurons of each row; `active`
    (B, D) are the dead neurons' activations, `directions` (D, d) their decoder rows. The gradient does not run
    through r. Source: Gao et al. 2024.
    """
    if int((active > 0).sum(dim=1).max()) > most:
        weakest = active.detach().topk(most, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
        active = active * (active.detach() >= weakest)
    missed = (residual - active @ directions).square().sum(dim=1).mean()
    spread = (residual - residual.mean(dim=0)).square().sum(dim=1).mean()
    return (missed / spread).nan_to_num(0.0)
