import numpy as np

from serendip.data import Window
from serendip.score.weak import Cwola


def test_sidebands_end_where_they_should():
    rng = np.random.default_rng(0)
    m = rng.uniform(0, 10, 8000)
    x = rng.normal(size=(8000, 2))
    window = Window(4, 6)
    far = (m < 2) | (m >= 8)
    changed = np.where(far[:, None], 50.0, x)
    settings = {"members": 2, "iterations": 5}

    def scores(features, sidebands):
        method = Cwola(settings=settings, sidebands=sidebands)
        # The seed picks members by row among the events used, the same for both.
        return method.fit(features, m, window).anomaly_score(x)

    assert np.array_equal(scores(x, 2.0), scores(changed, 2.0))
    assert not np.array_equal(scores(x, None), scores(changed, None))
