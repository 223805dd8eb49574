"""Multinomial diffusion (Hoogeboom et al. 2021, section 4): a category is kept, or drawn anew with all equally likely.

In logarithms throughout. x is one-hot in every block (b, k); log_x_0 may be any log-probabilities. With K categories in a
block and k = alphas_cumprod (`categories.keep`):

    q(x_t | x_0) = k_t x_0 + (1 - k_t) / K

The network's logits say rho = softmax(logits), the categories that the *other* columns of x_t make likely. Its own noisy
value then enters by Bayes: p(x_0 | x_t) is proportional to rho(x_0) q(x_t | x_0). That is what the parametrisation of the
paper amounts to (docs/math.md, "Categories"), and it is the x_0 that the denoiser returns.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from diffusion.categories import Keep, Step, draw, keep
from diffusion.columns import Blocks, Places

LEAST = -80.0  # below it a probability counts as 0: its inverse would overflow in float32


def log_q(log_x: Places, kept: Keep, blocks: Blocks) -> Places:
    """The logarithm of k x + (1 - k) / K: of q(x_t | x_0) for x = x_0, and, the kernel being symmetric, of the likelihood
    q(x_t | x_0 = each category) for x = x_t."""
    return (log_x + kept.kept).logaddexp(kept.lost - blocks.log_sizes(log_x))


def log_q_of(x: Places, kept: Keep, blocks: Blocks) -> Places:
    """`log_q` of the logarithm of a one-hot x: two values a column, which are cheaper looked up."""
    moved = kept.lost - blocks.log_sizes(x)  # (k,) or (b, k)
    stayed = kept.kept.logaddexp(moved)
    return stayed.where(x > 0, moved)


def q_sample(x_0: Places, eps: Places, alpha: float | Tensor, sigma: float | Tensor, blocks: Blocks) -> Places:
    """x_t ~ q(x_t | x_0), one-hot. With alpha 0 it is the prior, all categories equally likely, whatever x_0 is.

    Also q(x_t | x_s), with alpha_ts and sigma_ts.
    """
    return draw(log_q_of(x_0, keep(alpha, sigma), blocks), eps, blocks)


def log_posterior(log_x_0: Places, x_t: Places, step: Step, blocks: Blocks) -> Places:
    """The logarithm of q(x_s | x_t, x_0) for any less noisy s; the paper has s = t - 1.

    q(x_t | x_s) q(x_s | x_0), normalised. For clean s it is x_0 itself, where x_0 is one-hot.
    """
    return blocks.log_softmax(log_q_of(x_t, step.ts, blocks) + log_q(log_x_0, step.s, blocks))


def log_denoised(output: Places, x_t: Places, alpha: float | Tensor, sigma: float | Tensor, blocks: Blocks) -> Places:
    """The logarithm of p(x_0 | x_t): log rho + log q(x_t | x_0), normalised, with rho = softmax(output)."""
    return blocks.log_softmax(output + log_q_of(x_t, keep(alpha, sigma), blocks))


def log_step(x_0: Places, x_t: Places, step: Step, blocks: Blocks) -> Places:
    """The logarithm of p(x_s | x_t), the sum over x_0 of q(x_s | x_t, x_0) p(x_0 | x_t); the denoiser says `x_0` = p(x_0 | x_t).

    Exactly `log_posterior` at rho = p(x_0 | x_t) / q(x_t | x_0). So a column that stands alone is drawn without error in
    any number of steps.
    """
    log_rho = blocks.log_softmax(x_0.log() - log_q_of(x_t, step.t, blocks))
    return log_posterior(log_rho, x_t, step, blocks)


def draw_step(x_0: Places, x_t: Places, eps: Places, step: Step, blocks: Blocks) -> Places:
    """x_s ~ p(x_s | x_t), one-hot."""
    return draw(log_step(x_0, x_t, step, blocks), eps, blocks)


def kl(log_p: Places, log_q: Places, blocks: Blocks) -> Float[Tensor, "b c"]:
    """KL(p || q) of each block in nats; 0 log 0 is 0, so for a one-hot p it is -log q there.

    The sum of p d - p + q with d = log p - log q: its terms are never negative and of second order in d, where those of
    p d would cancel, and what rounding left of them in float32 would count T times.
    """
    d = log_p.clamp(min=LEAST) - log_q
    terms = log_p.exp() * (torch.expm1(-d) + d)
    return blocks.sum(terms.where(log_p > LEAST, log_q.exp()))


def losses(output: Places, x_0: Places, x_t: Places, step: Step, blocks: Blocks) -> Float[Tensor, "b c"]:
    """L_t of each column in nats: KL(q(x_s | x_t, x_0) || p(x_s | x_t)).

    For clean s the first of them is one-hot, and the KL is L_0 = -log p(x_0 | x_t). The KL to the prior at T, which no
    network can change, is left out.
    """
    log_rho = blocks.log_softmax(output)
    true = log_posterior(x_0.log(), x_t, step, blocks)
    return kl(true, log_posterior(log_rho, x_t, step, blocks), blocks)
