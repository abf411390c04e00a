"""Nuisances from plain settings, as a config file has them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serendip.errors import ConfigError, InputError, unknown_name
from serendip.stats.sample_tests.nuisances import LearnedShape, Normalisation, Nuisance, scale
from serendip.stats.sample_tests.sample import Sample

KEYS = {"normalisation": {"sigma"}, "scale": {"sigma", "feature"}, "learned": {"up", "down"}}
ReadSample = Callable[[Any], Sample]


def nuisances_from(
    settings: Sequence[Mapping[str, Any]],
    feature_names: Sequence[str],
    nominal: Sample,
    read_sample: ReadSample,
    *,
    seed: int = 0,
) -> tuple[Nuisance, ...]:
    """The nuisances that settings name; those of a shape are learned here.

    Settings: `{name: norm, kind: normalisation, sigma: 0.15}`, `{name: energy, kind: scale, feature: x, sigma: 0.05}`,
    `{name: jes, kind: learned, up: …, down: …}`, where `read_sample` turns what `up` and `down` say into a sample.

    Args:
        settings: one a nuisance.
        feature_names: of the columns of `nominal`.
        nominal: the sample at ν = 0; the reference.
        read_sample: reads a variation, weighted to the luminosity of `nominal`.
        seed: of what is learned.

    Raises:
        ConfigError: a key is missing, unknown or has a value that cannot be; the message has its path.
    """
    made: list[Nuisance] = []
    for index, one in enumerate(settings):
        path = f"nuisances[{index}]"
        _check_keys(one, path)
        if one["name"] in [nuisance.name for nuisance in made]:
            raise ConfigError(f"{path}.name: Got {one['name']!r} again, but expected each name once.")
        try:
            made.append(_make(one, path, feature_names, nominal, read_sample, seed))
        except ConfigError:
            raise
        except InputError as error:
            raise ConfigError(f"{path}: {error}") from error
    return tuple(made)


def _make(
    one: Mapping[str, Any],
    path: str,
    feature_names: Sequence[str],
    nominal: Sample,
    read_sample: ReadSample,
    seed: int,
) -> Nuisance:
    if one["kind"] == "normalisation":
        return Normalisation(one["name"], one["sigma"])
    if one["kind"] == "learned":
        return LearnedShape.fit(one["name"], nominal, read_sample(one["up"]), read_sample(one["down"]), seed=seed)
    if one["feature"] not in feature_names:
        raise ConfigError(f"{path}.feature: " + unknown_name("feature", str(one["feature"]), feature_names))
    return scale(one["name"], list(feature_names).index(one["feature"]), one["sigma"], nominal, seed=seed)


def _check_keys(one: Mapping[str, Any], path: str) -> None:
    kind = one.get("kind")
    if kind not in KEYS:
        raise ConfigError(f"{path}.kind: " + unknown_name("kind", str(kind), KEYS))
    needed = {"name", "kind"} | KEYS[kind]
    for key in sorted(needed - set(one)):
        raise ConfigError(f"{path}.{key}: Got nothing, but expected a value: {kind} needs {', '.join(sorted(needed))}.")
    for key in one:
        if key not in needed:
            raise ConfigError(f"{path}.{key}: " + unknown_name("key", str(key), needed))
