"""What is believed of a person before they answered anything: a versioned artefact, the same for everyone."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np

from ml.recommender.arithmetic import Matrix, Vector


class PriorUnknown(LookupError):
    """A record names a prior that this build does not have."""


@dataclass(frozen=True)
class Prior:
    """A Gaussian N(mean, precision⁻¹) over the weights of a feature map, and how answers are taken into it.

    `precision` holds the rows of the lower triangle, so that a prior learned in batch keeps its correlations.
    """

    version: str
    features: str
    """Version of the feature map that `names` come from."""
    names: tuple[str, ...]
    mean: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    noise_variance: float
    """Variance of a reward about its mean."""
    forgetting: float
    """Share of what was learned that stays when another answer comes (1: nothing is forgotten)."""

    @cached_property
    def arrays(self) -> tuple[Matrix, Vector]:
        """The precision Λ₀ (n, n) and Λ₀ μ₀ (n,)."""
        n = len(self.names)
        precision = np.zeros((n, n))
        for i, row in enumerate(self.precision):
            for j, value in enumerate(row):
                precision[i, j] = precision[j, i] = value
        shift = np.zeros(n)
        for j, value in enumerate(self.mean):
            shift += precision[:, j] * value
        return precision, shift

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all that decisions can depend on."""
        content = [self.version, self.features, self.names, self.mean, self.precision]
        return hashlib.sha256(
            json.dumps([*content, self.noise_variance, self.forgetting]).encode()
        ).hexdigest()


def independent(
    version: str,
    features: str,
    weights: dict[str, tuple[float, float]],
    noise_variance: float,
    forgetting: float,
) -> Prior:
    """A prior without correlations out of (mean, standard deviation) of each weight."""
    deviations = [deviation for _, deviation in weights.values()]
    return Prior(
        version=version,
        features=features,
        names=tuple(weights),
        mean=tuple(mean for mean, _ in weights.values()),
        precision=tuple(
            (*(0.0 for _ in range(i)), 1.0 / (deviation * deviation))
            for i, deviation in enumerate(deviations)
        ),
        noise_variance=noise_variance,
        forgetting=forgetting,
    )


def load_prior(version: str) -> Prior:
    """A prior that comes with the code: `priors/VERSION.json`. Raises PriorUnknown."""
    file = resources.files("ml.recommender") / "priors" / f"{version}.json"
    if not file.is_file():
        raise PriorUnknown(f"there is no prior {version!r} here; a newer build may have it")
    json_prior: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return independent(
        version,
        json_prior["features"],
        {name: (float(mean), float(deviation)) for name, (mean, deviation) in json_prior["weights"].items()},
        float(json_prior["noiseVariance"]),
        float(json_prior["forgetting"]),
    )
