"""How long S1 light wanders in a vessel before a tube sees it: photons traced one by one in a cylinder.

    python -m benchmarks.study_xenon_optics

Walls of PTFE reflect diffusely, the surface reflects by Fresnel's equations, a part of both ends is photocathode. What is
known poorly, the reflectivity with all that grids and impurities absorb, is set so that the light collected is the
vessel's g1 over its tubes' efficiency. LUX and LZ are there to hold it against: NEST's detector files give 11 and 47 ns.
Group velocity 11 cm/ns and Rayleigh length 36 cm near 178 nm, index 1.69.
"""

import numpy as np
from numba import njit

# ruff: noqa: NPY002 - numba compiles the legacy calls alone without a generator passed along

INDEX, VELOCITY, RAYLEIGH = 1.69, 11.0, 36.0  # cm/ns; cm
TUBE_REFLECTION = 0.2
EFFICIENCY = 0.30  # of tubes: quantum and collection
PHOTONS = 40_000
# radius, height in cm; part of the ends that is photocathode; g1 in detected photons a photon
VESSELS = {
    "LUX": (23.5, 48.0, 0.50, 0.117),
    "LZ": (72.8, 145.6, 0.55, 0.114),
    "XENONnT": (66.4, 148.6, 0.55, 0.123),
    "DARWIN": (130.0, 260.0, 0.58, 0.120),
}


@njit
def _isotropic():
    c, phi = 2 * np.random.random() - 1, 2 * np.pi * np.random.random()
    s = np.sqrt(1 - c * c)
    return s * np.cos(phi), s * np.sin(phi), c


@njit
def _diffuse():
    """Components along two tangents and the normal of a Lambertian reflection."""
    s2, phi = np.random.random(), 2 * np.pi * np.random.random()
    s = np.sqrt(s2)
    return s * np.cos(phi), s * np.sin(phi), np.sqrt(1 - s2)


@njit
def _passes(cosine):
    """Whether unpolarised light leaves the liquid at this cosine of incidence (Fresnel)."""
    sine = INDEX * np.sqrt(1 - cosine * cosine)
    if sine >= 1:
        return False
    out = np.sqrt(1 - sine * sine)
    r_s = ((INDEX * cosine - out) / (INDEX * cosine + out)) ** 2
    r_p = ((cosine - INDEX * out) / (cosine + INDEX * out)) ** 2
    return np.random.random() >= 0.5 * (r_s + r_p)


@njit
def paths(n, radius, height, covered, reflected, seed):
    """Lengths in cm of the paths of photons from random places to a tube; NaN for those lost."""
    np.random.seed(seed)
    lengths = np.full(n, np.nan)
    for i in range(n):
        r, phi = radius * np.sqrt(np.random.random()), 2 * np.pi * np.random.random()
        x, y, z = r * np.cos(phi), r * np.sin(phi), height * np.random.random()
        dx, dy, dz = _isotropic()
        length = 0.0
        while True:
            a, b = dx * dx + dy * dy, x * dx + y * dy
            wall = (np.sqrt(max(b * b - a * (x * x + y * y - radius * radius), 0.0)) - b) / max(a, 1e-12)
            end = (height - z) / dz if dz > 0 else -z / min(dz, -1e-12)
            step = min(wall, end)
            free = -RAYLEIGH * np.log(1 - np.random.random())
            length += min(step, free)
            x, y, z = x + dx * min(step, free), y + dy * min(step, free), z + dz * min(step, free)
            if free < step:
                dx, dy, dz = _isotropic()
            elif wall < end:
                if np.random.random() > reflected:
                    break
                nx, ny = -x / radius, -y / radius
                t1, t2, n0 = _diffuse()
                dx, dy, dz = n0 * nx - t1 * ny, n0 * ny + t1 * nx, t2
                x, y = 0.999999 * x, 0.999999 * y
            elif dz > 0 and not _passes(dz):
                dz, z = -dz, 0.999999 * height
            elif np.random.random() < covered:
                if np.random.random() >= TUBE_REFLECTION:
                    lengths[i] = length
                    break
                dz = -dz
                z = min(max(z, 1e-6 * height), 0.999999 * height)
            else:
                if np.random.random() > reflected:
                    break
                t1, t2, n0 = _diffuse()
                dx, dy, dz = t1, t2, -n0 if dz > 0 else n0
                z = min(max(z, 1e-6 * height), 0.999999 * height)
    return lengths


def matched(radius: float, height: float, covered: float, g1: float) -> float:
    """The reflectivity with which the vessel collects what its g1 says, by bisection."""
    low, high = 0.3, 0.995
    for _ in range(14):
        middle = 0.5 * (low + high)
        collected = np.isfinite(paths(10_000, radius, height, covered, middle, 1)).mean()
        low, high = (middle, high) if collected < g1 / EFFICIENCY else (low, middle)
    return 0.5 * (low + high)


def main() -> None:
    """One row a vessel."""
    print("vessel     reflected  collected  mean ns  sd ns")
    for name, (radius, height, covered, g1) in VESSELS.items():
        reflected = matched(radius, height, covered, g1)
        lengths = paths(PHOTONS, radius, height, covered, reflected, 2)
        times = lengths[np.isfinite(lengths)] / VELOCITY
        row = f"{reflected:9.3f}  {np.isfinite(lengths).mean():9.3f}  {times.mean():7.1f}  {times.std():5.1f}"
        print(f"{name:9s}  {row}")


if __name__ == "__main__":
    main()
