"""Methods that learn from samples of different purity, without labels."""

from serendip.score.weak.cwola import Cwola
from serendip.score.weak.idealised import Idealised

__all__ = ["Cwola", "Idealised"]
