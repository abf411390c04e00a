"""Maps over the liquid: how a signal depends on where it arose, tabulated on a regular grid; XENON's JSON files as input."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

from serendip.errors import InputError, unknown_name
from serendip.simulate.tpc._kernels_areas import look_up
from serendip.simulate.tpc.detector import Detector

GRID = (61, 61, 53)  # nodes in x, y, z; of a map in x and y alone the first two
NEIGHBOURS = 8  # points of an irregular map that a node is made of
SLACK = 0.1  # part of radius and height by which a map may end short of the detector, or past it


@dataclass(frozen=True, eq=False)
class PositionMap:
    """Values relative to their mean over the liquid, on a regular grid from corner to corner; linear in between.

    Attributes:
        values: at the nodes; one layer in z for a map of x and y alone.
        low: corner of smallest x, y, z, cm; `high` of the largest.
    """

    values: Float[np.ndarray, "nx ny nz"]
    low: Float[np.ndarray, " 3"]
    high: Float[np.ndarray, " 3"]

    def __call__(
        self, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], z: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """The values at places in cm; outside the grid those of its edge."""
        return look_up(*self.arrays, x, y, z)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, corner and nodes a cm, as kernels take them."""
        nodes = np.array(self.values.shape) - 1
        return self.values, self.low, nodes / (self.high - self.low)


def uniform_map(detector: Detector) -> PositionMap:
    """One everywhere."""
    return PositionMap(np.ones((1, 1, 1)), *_corners(detector))


def tabulate_map(function: Any, detector: Detector, grid: tuple[int, int, int] = GRID) -> PositionMap:
    """A function of (x, y, z) in cm on the grid, divided by its mean over the liquid."""
    low, high = _corners(detector)
    nodes = np.meshgrid(*[np.linspace(low[i], high[i], grid[i]) for i in range(3)], indexing="ij")
    values = np.asarray(function(*nodes), float)
    inside = np.hypot(nodes[0], nodes[1]) <= detector.radius
    ends = np.ones(grid[2])
    ends[[0, -1]] = 0.5  # of the trapezoid rule along z
    return PositionMap(values / np.average(values, weights=inside * ends), low, high)


def _corners(detector: Detector) -> tuple[np.ndarray, np.ndarray]:
    r = detector.radius
    return np.array([-r, -r, -detector.height]), np.array([r, r, 0.0])


def read_map(path: str | Path, detector: Detector, name: str | None = None) -> PositionMap:
    """A map in XENON's JSON format, of (x, y, z) or (x, y), brought onto a regular grid.

    `coordinate_system` holds either points ([[x, y, z], …]), whose values are interpolated by the inverse squared
    distance of the 8 nearest, or axes ([["x", [low, high, n]], …]), between which the values are linear.

    Args:
        path: of the file.
        detector: its geometry must be the map's.
        name: of the values in the file; None takes `map`, or the first that begins so.

    Raises:
        InputError: no such map, values that are not numbers, or a map of another geometry.
    """
    content = _read_json(Path(path))
    key = _map_name(Path(path), content, name)
    try:
        values = np.asarray(content[key], float).ravel()
        points, axes = _coordinates(content["coordinate_system"])
    except (KeyError, TypeError, ValueError) as wrong:
        raise InputError(
            f"{path}: Got a map that cannot be read ({wrong}), but expected `coordinate_system` and values."
        ) from wrong
    if len(values) != len(points):
        raise InputError(f"{path}: Got {len(values)} values for {len(points)} places, but expected one each.")
    if not (np.all((values > 0) & np.isfinite(values)) and np.all(np.isfinite(points))):
        raise InputError(
            f"{path}: Got values or places that are not finite, or yields not above 0, but expected all so."
        )
    _require_same_geometry(Path(path), points, detector)
    grid = GRID if points.shape[1] == 3 else (*GRID[:2], 1)
    interpolate = _linear(axes, values) if axes else _inverse_distance(points, values)
    return tabulate_map(lambda *xyz: interpolate(np.stack(xyz[: points.shape[1]], axis=-1)), detector, grid)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as wrong:
        raise InputError(f"{path}: Got no readable file ({wrong}), but expected a map in JSON.") from wrong
    except ValueError as wrong:
        raise InputError(f"{path}: Got no JSON ({wrong}), but expected a map in JSON.") from wrong
    if not isinstance(content, dict) or "coordinate_system" not in content:
        raise InputError(f"{path}: Got JSON without `coordinate_system`, but expected a map in XENON's format.")
    return content


def _map_name(path: Path, content: dict[str, Any], name: str | None) -> str:
    known = sorted((k for k in content if k.startswith("map")), key=lambda k: (k != "map", k))
    if not known:
        raise InputError(f"{path}: Got keys {', '.join(content)}, but expected one that begins with `map`.")
    if name is not None and name not in known:
        raise InputError(f"{path}: " + unknown_name("map", name, known))
    return name or known[0]


def _coordinates(system: list[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The places (n, 2 or 3) in cm, and the axes of a regular map; no axes where the places are irregular."""
    if system and isinstance(system[0][0], str):
        axes = [np.linspace(low, high, int(n)) for _, (low, high, n) in system]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)), axes
    points = np.asarray(system, float)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"coordinates of shape {points.shape}")
    return points, []


def _require_same_geometry(path: Path, points: np.ndarray, detector: Detector) -> None:
    radius = float(np.max(np.abs(points[:, :2])))
    bottom, top = (float(points[:, 2].min()), float(points[:, 2].max())) if points.shape[1] == 3 else (None, None)
    fits = abs(radius / detector.radius - 1) <= SLACK
    if bottom is not None and top is not None:
        edge = SLACK * detector.height
        fits &= abs(bottom + detector.height) <= edge and abs(top) <= edge
    if not fits:
        depth = "" if bottom is None else f" and z from {bottom:g} to {top:g} cm"
        expected = "" if bottom is None else f" and z from {-detector.height:g} to 0 cm"
        raise InputError(
            f"{path}: Got a map that reaches to {radius:g} cm from the axis{depth}, but expected {detector.radius:g} cm"
            f"{expected} as detector {detector.name!r}. Give that detector's map, or the map's detector."
        )


def _inverse_distance(points: np.ndarray, values: np.ndarray) -> Any:
    tree = cKDTree(points)

    def interpolate(at: np.ndarray) -> np.ndarray:
        distance, index = tree.query(at, k=min(NEIGHBOURS, len(points)))
        distance, index = (a.reshape(*at.shape[:-1], -1) for a in (distance, index))
        return np.average(values[index], axis=-1, weights=1 / np.maximum(distance, 1e-6) ** 2)

    return interpolate


def _linear(axes: list[np.ndarray], values: np.ndarray) -> Any:
    on_grid = RegularGridInterpolator(axes, values.reshape([len(a) for a in axes]))
    low, high = np.array([a[0] for a in axes]), np.array([a[-1] for a in axes])
    return lambda at: on_grid(np.clip(at, low, high))
