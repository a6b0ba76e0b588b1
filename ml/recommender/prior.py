"""What is believed of a person before they answered anything: a versioned artefact, the same for everyone."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np

from ml.learning.person_model import PersonPrior
from ml.learning.regression import Gaussian
from ml.recommender.arithmetic import Matrix, Vector

Json = dict[str, Any]


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
    moments: PersonPrior | None = None
    """What is believed of how people tire of being spoken to; None where a prior is of the weights alone."""

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
        of_moments = [] if self.moments is None else [moments_json(self.moments)]
        return hashlib.sha256(
            json.dumps([*content, self.noise_variance, self.forgetting, *of_moments]).encode()
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
    json_prior: Json = json.loads(file.read_text("utf-8"))
    if "weights" not in json_prior:
        return prior_from_json(json_prior)
    return independent(
        version,
        json_prior["features"],
        {name: (float(mean), float(deviation)) for name, (mean, deviation) in json_prior["weights"].items()},
        float(json_prior["noiseVariance"]),
        float(json_prior["forgetting"]),
    )


def prior_json(prior: Prior) -> Json:
    """A prior with its correlations as JSON; `prior_from_json` gives the same one back, bit for bit."""
    return {
        "version": prior.version,
        "features": prior.features,
        "noiseVariance": prior.noise_variance,
        "forgetting": prior.forgetting,
        "names": list(prior.names),
        "mean": list(prior.mean),
        "precision": [list(row) for row in prior.precision],
        "moments": None if prior.moments is None else moments_json(prior.moments),
    }


def prior_from_json(prior: Json) -> Prior:
    """The inverse of `prior_json`. Raises ValueError, naming the field, where it is not one."""
    try:
        n = len(prior["names"])
        precision = tuple(tuple(map(float, row)) for row in prior["precision"])
        if len(prior["mean"]) != n or [len(row) for row in precision] != list(range(1, n + 1)):
            raise ValueError(f"mean and the lower triangle of precision do not have the {n} rows of names")
        return Prior(
            version=str(prior["version"]),
            features=str(prior["features"]),
            names=tuple(map(str, prior["names"])),
            mean=tuple(map(float, prior["mean"])),
            precision=precision,
            noise_variance=float(prior["noiseVariance"]),
            forgetting=float(prior["forgetting"]),
            moments=None if prior.get("moments") is None else _moments_from_json(prior["moments"]),
        )
    except KeyError as error:
        raise ValueError(f"the prior has no field {error.args[0]}") from error


def moments_json(prior: PersonPrior) -> Json:
    return {
        "version": prior.version,
        "reward": [[_gaussian_json(each) for each in pair] for pair in prior.reward],
        "habit": [_gaussian_json(each) for each in prior.habit],
        "disengaged": [[_gaussian_json(each) for each in pair] for pair in prior.disengaged],
        "reaction": [_gaussian_json(each) for each in prior.reaction],
        "tie": prior.tie,
        "unit": prior.unit,
        "noise": list(prior.noise),
        "limits": [list(each) for each in prior.limits],
        "appeals": list(prior.appeals),
        "habitNoise": prior.habit_noise,
        "disengagedNoise": prior.disengaged_noise,
    }


def _moments_from_json(prior: Json) -> PersonPrior:
    variance, rows = prior["noise"]
    return PersonPrior(
        version=str(prior["version"]),
        reward=tuple(_pair(each) for each in prior["reward"]),
        habit=tuple(_gaussian(each) for each in prior["habit"]),
        disengaged=tuple(_pair(each) for each in prior["disengaged"]),
        reaction=tuple(_gaussian(each) for each in prior["reaction"]),
        tie=None if prior["tie"] is None else float(prior["tie"]),
        unit=None if prior["unit"] is None else float(prior["unit"]),
        noise=(float(variance), float(rows)),
        limits=tuple((float(low), float(high)) for low, high in prior["limits"]),
        appeals=tuple(map(float, prior["appeals"])),
        habit_noise=float(prior["habitNoise"]),
        disengaged_noise=float(prior["disengagedNoise"]),
    )


def _gaussian_json(gaussian: Gaussian) -> Json:
    return {"mean": gaussian.mean.tolist(), "precision": gaussian.precision.tolist()}


def _gaussian(gaussian: Json) -> Gaussian:
    return Gaussian(
        np.array(gaussian["mean"], dtype=np.float64), np.array(gaussian["precision"], dtype=np.float64)
    )


def _pair(pair: list[Json]) -> tuple[Gaussian, Gaussian]:
    welcomed, resented = pair
    return _gaussian(welcomed), _gaussian(resented)
