"""Masked diffusion (the absorbing state of Austin et al. 2021; MDLM, Sahoo et al. 2024): a category is kept, or hidden.

x is one-hot in every block (b, k); a hidden block is all 0, so the mask needs no place of its own. The probability of
being kept is k = alphas_cumprod. A block that is seen is never changed again, so the denoiser says it back (MDLM's
"carry-over unmasking").
"""

from jaxtyping import Bool, Float
from torch import Tensor

from diffusion.categories import Step, gumbel, keep
from diffusion.columns import Blocks, Places


def hidden(x: Places, blocks: Blocks) -> Bool[Tensor, "b c"]:
    """Which blocks are masked."""
    return blocks.sum(x) == 0


def q_sample(x_0: Places, eps: Places, alpha: float | Tensor, sigma: float | Tensor, blocks: Blocks) -> Places:
    """x_t ~ q(x_t | x_0): x_0 with the probability k = alpha^2, else hidden. What is hidden stays so, so also q(x_t | x_s)."""
    noise = blocks.max(x_0.log() + gumbel(eps))  # Gumbel, taken where x_0 is 1
    return x_0 * blocks.spread(_happens(noise, keep(alpha, sigma).kept).to(x_0))


def log_denoised(output: Places, x_t: Places, alpha: float | Tensor, sigma: float | Tensor, blocks: Blocks) -> Places:
    """The logarithm of p(x_0 | x_t): softmax(output) where x_t is hidden, and x_t where it is not."""
    unknown = blocks.spread(hidden(x_t, blocks).to(x_t)) > 0
    return blocks.log_softmax(output).where(unknown, x_t.log())


def draw_step(x_0: Places, x_t: Places, eps: Places, step: Step, blocks: Blocks) -> Places:
    """x_s ~ p(x_s | x_t) for what the denoiser says, `x_0` = p(x_0 | x_t), and any less noisy s.

    A hidden block is shown with the probability (k_s - k_t) / (1 - k_t), and then is a category of `x_0`. One tensor of
    noise decides both: the largest log x_0 + g is independent of where it is, and again a Gumbel variable.
    """
    perturbed = x_0.log() + gumbel(eps)
    shown = _happens(blocks.max(perturbed), _log_shown(step))
    drawn = blocks.one_hot_max(perturbed) * blocks.spread(shown.to(x_0))
    return x_t + drawn * blocks.spread(hidden(x_t, blocks).to(x_0))


def losses(output: Places, x_0: Places, x_t: Places, step: Step, blocks: Blocks) -> Float[Tensor, "b c"]:
    """L_t of each column in nats, KL(q(x_s | x_t, x_0) || p(x_s | x_t)): of a hidden one (k_s - k_t) / (1 - k_t) times
    -log p(x_0 | x_t), of any other 0 (MDLM, section 3). For clean s it is L_0."""
    surprise = -blocks.sum(x_0 * blocks.log_softmax(output))
    return _log_shown(step).exp() * surprise * hidden(x_t, blocks)


def _log_shown(step: Step) -> Tensor:
    """The logarithm of (k_s - k_t) / (1 - k_t), the probability that a block which is hidden at t is not at s."""
    return (step.s.kept + step.ts.lost - step.t.lost).clamp(max=0)  # for clean s it is 0, but for rounding


def _happens(noise: Float[Tensor, "b c"], log_probability: Tensor) -> Bool[Tensor, "b c"]:
    """True with the probability given, for standard Gumbel noise: where its distribution function is below it."""
    return noise < -(-log_probability).log()
