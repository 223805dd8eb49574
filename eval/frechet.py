"""The Frechet distance between two Gaussians fitted to features (Heusel et al. 2017, eq. 6), real by construction.

    d^2 = |mu_1 - mu_2|^2 + tr S_1 + tr S_2 - 2 tr sqrt(S_1 S_2)

With S_1 = A A^T and S_2 = B B^T, the eigenvalues of S_1 S_2 are the squares of the singular values of A^T B, so that
tr sqrt(S_1 S_2) is their sum: no root of an unsymmetric matrix is taken, hence nothing complex and nothing negative.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import linalg


class Moments(NamedTuple):
    """Mean and unbiased covariance of n feature vectors, in float64."""

    n: int
    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]


class StreamingMoments:
    """Mean and covariance of features that come in batches (the pairwise update of Chan et al. 1979, eq. 2.1).

    Centring each batch by itself keeps the digits that sum(x x^T) - n mu mu^T would lose.
    """

    def __init__(self, dims: int) -> None:
        self.n = 0
        self.mean = np.zeros(dims)
        self.scatter = np.zeros((dims, dims))

    def update(self, batch: Float[np.ndarray, "b d"]) -> None:
        """Take in one batch."""
        if not len(batch):
            return
        batch = batch.astype(np.float64)
        mean = batch.mean(axis=0)
        centred = batch - mean
        shift = mean - self.mean
        n = self.n + len(batch)
        self.scatter += centred.T @ centred + np.outer(shift, shift) * (self.n * len(batch) / n)
        self.mean += shift * (len(batch) / n)
        self.n = n

    def result(self) -> Moments:
        """The moments so far; ValueError with fewer than two vectors, which have no covariance."""
        if self.n < 2:
            raise ValueError(f"n={self.n}: a covariance needs 2 images or more")
        return Moments(self.n, self.mean.copy(), self.scatter / (self.n - 1))


def moments(features: Float[np.ndarray, "n d"], batch_size: int = 4096) -> Moments:
    """Moments of a whole matrix, `batch_size` rows at a time."""
    stream = StreamingMoments(features.shape[1])
    for start in range(0, len(features), batch_size):
        stream.update(features[start : start + batch_size])
    return stream.result()


def frechet_distance(
    mean_1: Float[np.ndarray, " d"],
    covariance_1: Float[np.ndarray, "d d"],
    mean_2: Float[np.ndarray, " d"],
    covariance_2: Float[np.ndarray, "d d"],
) -> float:
    """d^2 from moments."""
    trace = np.sqrt(_significant(_product_eigenvalues(covariance_1, covariance_2))).sum()
    return _distance(mean_1 - mean_2, np.trace(covariance_1), np.trace(covariance_2), trace)


def frechet_from_features(features_1: Float[np.ndarray, "n d"], features_2: Float[np.ndarray, "m d"]) -> float:
    """d^2 from the features themselves: exact also when there are fewer images than features.

    There S_1 has rank n - 1 and the route through moments would add up the roots of d - n eigenvalues that are rounding
    noise around 0. The centred features X_1 are a factor of S_1 already, so the singular values of X_1 X_2^T
    (n, m) are all that is needed.
    """
    dims = features_1.shape[1]
    if min(len(features_1), len(features_2)) >= dims:
        one, two = moments(features_1), moments(features_2)
        return frechet_distance(one.mean, one.covariance, two.mean, two.covariance)
    mean_1, factor_1 = _factor(features_1)
    mean_2, factor_2 = _factor(features_2)
    trace = np.linalg.svd(factor_1 @ factor_2.T, compute_uv=False).sum()
    return _distance(mean_1 - mean_2, np.square(factor_1).sum(), np.square(factor_2).sum(), trace)


def _factor(features: Float[np.ndarray, "n d"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and X with covariance X^T X, of at most d rows."""
    if len(features) < 2:
        raise ValueError(f"n={len(features)}: a covariance needs 2 images or more")
    features = features.astype(np.float64)
    mean = features.mean(axis=0)
    factor = (features - mean) / np.sqrt(len(features) - 1)  # (n, d)
    if len(factor) > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))  # (d, d), with the same X^T X
    return mean, factor


def _product_eigenvalues(covariance_1: Float[np.ndarray, "d d"], covariance_2: Float[np.ndarray, "d d"]) -> np.ndarray:
    """Eigenvalues of S_1 S_2, ascending, from a symmetric problem: those of A^T S_2 A, where S_1 = A A^T."""
    try:  # A by Cholesky; LAPACK's type 3 is S_1 S_2 x = lambda x
        return linalg.eigh(covariance_2, covariance_1, type=3, eigvals_only=True, driver="gv")
    except linalg.LinAlgError:  # S_1 is singular, so A from its eigenvectors
        eigenvalues, vectors = linalg.eigh(covariance_1)
        kept = _significant(eigenvalues)
        root = vectors[:, len(eigenvalues) - len(kept) :] * np.sqrt(kept)  # (d, r)
        return linalg.eigvalsh(root.T @ covariance_2 @ root) if len(kept) else kept


def _significant(eigenvalues: Float[np.ndarray, " d"]) -> Float[np.ndarray, " r"]:
    """Those of the ascending eigenvalues that stand above the rounding error of their decomposition, d * eps * largest."""
    largest = max(eigenvalues[-1], 0.0) if len(eigenvalues) else 0.0
    return eigenvalues[eigenvalues > largest * len(eigenvalues) * np.finfo(np.float64).eps]


def _distance(difference: np.ndarray, trace_1: float, trace_2: float, trace_root: float) -> float:
    """d^2 is never negative; rounding may make it so where the two Gaussians are the same."""
    return max(float(difference @ difference + trace_1 + trace_2 - 2 * trace_root), 0.0)
