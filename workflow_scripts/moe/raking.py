"""Token weights under which chosen experts have the wanted frequencies: raking by clipped exponential tilting.

A token *uses* an expert that is in its top-K. Among all weights within the clip and with mean one, the solution reaches
the wanted frequencies and is nearest to 1 (least sum of w log w). It has the form
w_t = clip(exp(b + sum_s lambda_s uses_ts)), so a token's weight depends only on which of the experts it uses.
"""

import math

import torch
from torch import Tensor

SOFTNESS = 1e-6  # regularises the frequencies, so that a problem without a solution still has a nearest point
STEPS, ENOUGH = 200, 1e-10  # Newton steps at most; size of the gradient at which they end


def forget_critical(
    forget: dict[int, list[float]], retain: dict[int, list[float]], uniform: float, *, experts: int, over: float
) -> list[tuple[int, int]]:
    """(layer, expert) that forget text uses more than retain text, at most `experts`, sorted.

    forget, retain: token shares of every expert by layer; uniform: share that each expert would have if all were used
    alike (K/E). Critical are experts with a forget share of at least `uniform` and at least `over` times the retain
    share; of these the ones with the largest difference of the shares are kept, ties to the lower layer and expert.
    """
    candidates = [
        (layer, expert)
        for layer, shares in forget.items()
        for expert, share in enumerate(shares)
        if share >= uniform and share >= over * retain[layer][expert]
    ]
    candidates.sort(key=lambda place: (retain[place[0]][place[1]] - forget[place[0]][place[1]], place))
    return sorted(candidates[:experts])


def rake(uses: Tensor, targets: Tensor, clip: float) -> Tensor:
    """Weights `[N]` (float64) with mean one, each from 1/clip to clip, so that mean(w * uses[:, s]) is targets[s].

    uses: `[N, S]`, 1 where a token uses expert s, else 0; targets: `[S]`, in [0, 1]. If no weights within the clip
    reach all targets, the result minimises the sum of squared differences; the caller measures the residual. For one
    expert with frequency r the solution is w = f/r on its tokens and (1 - f)/(1 - r) on the others.
    """
    if clip <= 1:
        raise ValueError(f"clip {clip}: must be over 1, or every weight would have to be 1")
    kinds, of_token, counts = torch.unique(uses.double(), dim=0, return_inverse=True, return_counts=True)
    share, targets = counts.double() / len(uses), targets.double()
    tilt = torch.zeros_like(targets)
    value, weights, inside = _dual(tilt, kinds, share, targets, clip)
    for _ in range(STEPS):
        gradient = (share * weights) @ kinds - targets + SOFTNESS * tilt
        if gradient.abs().max() < ENOUGH:
            break
        free = share * weights * inside  # clipped kinds do not move
        hessian = kinds.T @ (free[:, None] * kinds) + SOFTNESS * torch.eye(len(targets), dtype=torch.float64)
        if free.sum() > 0:
            mean = free @ kinds
            hessian -= torch.outer(mean, mean) / free.sum()
        step, length = torch.linalg.solve(hessian, -gradient), 1.0
        while length > 1e-12:
            tried = _dual(tilt + length * step, kinds, share, targets, clip)
            if tried[0] <= value + 1e-4 * length * float(gradient @ step):
                break
            length /= 2
        else:
            break  # no smaller value in floating point: this is the minimum
        tilt, (value, weights, inside) = tilt + length * step, tried
    return weights[of_token]


def _dual(tilt: Tensor, kinds: Tensor, share: Tensor, targets: Tensor, clip: float) -> tuple[float, Tensor, Tensor]:
    """(value of the convex dual, weight of each kind of token, which weights are not clipped) at `tilt` `[S]`.

    The intercept b is found for each tilt by bisection, so that the mean of the weights is one whatever the tilt.
    """
    tilted, bound = kinds @ tilt, math.log(clip)
    low, high = -bound - float(tilted.max()), bound - float(tilted.min())  # all weights at the lower, upper bound
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if float(share @ (tilted + middle).clamp(-bound, bound).exp()) < 1.0:
            low = middle
        else:
            high = middle
    exponent = tilted + high
    weights = exponent.clamp(-bound, bound).exp()
    primitive = weights + (exponent + bound).clamp(max=0.0) / clip + (exponent - bound).clamp(min=0.0) * clip
    value = float(share @ primitive - tilt @ targets + SOFTNESS / 2 * tilt @ tilt) - high
    return value, weights, exponent.abs() < bound
