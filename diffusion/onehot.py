"""Categories as Gaussian channels (CDCD: Dieleman et al. 2022): x_t = alpha x_0 + sigma eps of the one-hot blocks themselves.

The denoiser's x_0 = E[x_0 | x_t] is the vector of probabilities, learned by cross-entropy ("score interpolation").
So every Gaussian sampler works unchanged; what is left to do is to take the likeliest category at the end.
"""

from jaxtyping import Float
from torch import Tensor

from diffusion import gaussian
from diffusion.categories import Step
from diffusion.columns import Blocks, Places


def q_sample(x_0: Places, eps: Places, alpha: float | Tensor, sigma: float | Tensor, blocks: Blocks) -> Places:
    """x_t = alpha x_0 + sigma eps, block or not."""
    return gaussian.q_sample(x_0, eps, alpha, sigma)


def log_denoised(output: Places, x_t: Places, alpha: float | Tensor, sigma: float | Tensor, blocks: Blocks) -> Places:
    """The logarithm of p(x_0 | x_t): the network's own softmax."""
    return blocks.log_softmax(output)


def losses(output: Places, x_0: Places, x_t: Places, step: Step, blocks: Blocks) -> Float[Tensor, "b c"]:
    """Cross-entropy of each column in nats, -log p(x_0 | x_t), the same weight at every t."""
    return -blocks.sum(x_0 * blocks.log_softmax(output))
