import pytest

from serendip.score.below_chance import below_chance_warning


def test_warns_below_chance_and_forbids_to_turn_the_score_round():
    warning = below_chance_warning("vae", 0.31, 0.02)
    assert "vae has an AUC of 0.310" in warning
    assert "Do not reverse the sign" in warning


@pytest.mark.parametrize(("auc", "error"), [(0.5, 0.0), (0.9, 0.01), (0.48, 0.02)])
def test_is_silent_above_chance_and_within_the_error(auc, error):
    assert below_chance_warning("kde", auc, error) is None
