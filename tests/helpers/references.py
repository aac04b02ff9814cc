"""Slow independent versions of what the package computes fast: formulas and loops in NumPy."""

import numpy as np
from scipy.linalg import sqrtm


def frechet_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """Of features [N, D] and [M, D], by a general matrix square root of the product."""
    cov, cov_r = np.cov(generated, rowvar=False), np.cov(reference, rowvar=False)
    return frechet_of_moments(generated.mean(0), cov, reference.mean(0), cov_r)


def frechet_of_moments(mean, cov, mean_r, cov_r) -> float:
    """|μ - μr|² + Tr(Σ + Σr - 2 (Σ Σr)^½)."""
    root = sqrtm(cov @ cov_r)
    return float(((mean - mean_r) ** 2).sum() + np.trace(cov + cov_r) - 2 * np.trace(root).real)


def weighted_frechet(
    generated: np.ndarray, weights: np.ndarray, reference: np.ndarray, total: float = 1.0
) -> float:
    """The distance when sample i has weights[i] of the mass; equal ones give frechet_distance.

    total is the mass of the samples, where it varies with the weights.
    """
    n = len(generated)
    weights = weights / total
    mean = weights @ generated
    centred = generated - mean
    cov = (centred.T * weights) @ centred * n / (n - 1)
    return frechet_of_moments(mean, cov, reference.mean(0), np.cov(reference, rowvar=False))


def influence(functional, n: int, step: float = 1e-5) -> np.ndarray:
    """Derivative of functional(weights [n]) towards each sample's point mass, by differences."""
    equal = np.full(n, 1 / n)
    moved = [step * (np.eye(n)[i] - equal) for i in range(n)]
    return np.array([(functional(equal + m) - functional(equal - m)) / (2 * step) for m in moved])


def clip_score(images: np.ndarray, texts: np.ndarray) -> float:
    """100 x mean cosine of embeddings [N, D], one pair and one dimension at a time."""
    total = 0.0
    for image, text in zip(images, texts, strict=True):
        dot = squared_image = squared_text = 0.0
        for a, b in zip(image, text, strict=True):
            dot += float(a) * float(b)
            squared_image += float(a) ** 2
            squared_text += float(b) ** 2
        total += dot / (squared_image * squared_text) ** 0.5
    return 100 * total / len(images)


def cluster_standard_error(values: np.ndarray, clusters: list) -> float:
    """Of the mean of values whose clusters are drawn independently, equal cluster sizes."""
    means = [values[[c == name for c in clusters]].mean() for name in sorted(set(clusters))]
    return float(np.std(means, ddof=1) / len(means) ** 0.5)


def unbiased_mmd(x, y, kernel, weights=None, clusters=None) -> float:
    """MMD² by loops: mean kernel of x of different clusters, of different y, less twice across.

    weights [N] of the samples of x, 1 where none are given.
    """
    weights = np.ones(len(x)) if weights is None else weights
    clusters = np.arange(len(x)) if clusters is None else clusters
    total = count = across = 0.0
    for i, a in enumerate(x):
        across += weights[i] * sum(kernel(a, b) for b in y)
        for j, b in enumerate(x):
            if clusters[i] != clusters[j]:
                total += weights[i] * weights[j] * kernel(a, b)
                count += weights[i] * weights[j]
    own = sum(kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j)
    pairs = len(y) * (len(y) - 1)
    return float(total / count + own / pairs - 2 * across / weights.sum() / len(y))
