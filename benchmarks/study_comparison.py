"""What the sample that the window is compared with costs: how large it is, and how near to the background."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.study_records import Records
from benchmarks.study_runs import cross_fitted, measured, plain_draw
from benchmarks.study_templates import Mixed
from serendip.config.load import make_config
from serendip.score.weak.idealised import Idealised
from serendip.search.evaluate import evaluation_window
from serendip.search.prepare import Prepared, prepared
from serendip.search.scan import background_sample
from serendip.seeds import rng_for, seed_for

TREES = {"bins": 127}
SHARES, COPIES = (0.25, 0.5, 1.0), (1, 2, 4, 8, 16)
SIDEBANDS = (200, 400, 800)  # GeV on either side; 200 hold about as many events as the window


def comparison(records: Records, draws: Sequence[int]) -> None:
    """Idealised against parts of its reference, CWoLa against near sidebands, CATHODE against templates.

    Those of many sizes, of one density and of several.
    """
    cathode: dict[str, Any] = {"name": "cathode", "classifier": TREES}
    for draw in draws:
        for share in SHARES:
            key = {"method": f"idealised, {share:g} ×", "draw": draw, "features": "as they are"}
            records.measure(key, partial(cross_fitted_to_part, draw, share))
        for sidebands in SIDEBANDS:
            method = {"name": "cwola", "label": f"cwola, {sidebands} GeV", "sidebands": sidebands, "classifier": TREES}
            measured(records, plain_draw(draw), method, draw, "as they are")
        for copies in COPIES:
            method = cathode | {"label": f"cathode, {copies} ×", "oversample": copies, "share": True}
            measured(records, plain_draw(draw), method, draw, "as they are")
        measured(records, plain_draw(draw), cathode | {"label": "cathode, a density a fold"}, draw, "as they are")
        key = {"method": "cathode, 3 densities a fold, 6 ×", "draw": draw, "features": "as they are"}
        records.measure(key, partial(mixed, draw))


def mixed(draw: int) -> dict[str, Any]:
    """CATHODE with several densities."""
    return cross_fitted(of_draw(draw), Mixed(settings=TREES, seed=draw), draw)


def of_draw(draw: int) -> Prepared:
    """The events of a draw."""
    return prepared(make_config(plain_draw(draw) | {"method": ["idealised"]}).analysis())


def cross_fitted_to_part(draw: int, share: float) -> dict[str, Any]:
    """Idealised with part of its reference."""
    p = of_draw(draw)
    x, w = background_sample(p, evaluation_window(p))
    kept = rng_for(draw, "part").permutation(len(x))[: round(share * len(x))]
    method = Idealised(settings=TREES, seed=seed_for(draw, "idealised"))
    return cross_fitted(p, method, draw, background=(np.ascontiguousarray(x[kept]), w[kept]))
