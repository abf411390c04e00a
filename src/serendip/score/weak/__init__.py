"""Methods that learn from samples of different purity, without labels."""

from serendip.score.weak.anode import Anode
from serendip.score.weak.cathode import Cathode
from serendip.score.weak.curtains import Curtains
from serendip.score.weak.cwola import Cwola
from serendip.score.weak.decorrelated_cwola import DecorrelatedCwola
from serendip.score.weak.feta import Feta
from serendip.score.weak.idealised import Idealised
from serendip.score.weak.lacathode import LaCathode
from serendip.score.weak.sa_cwola import SaCwola
from serendip.score.weak.salad import Salad
from serendip.score.weak.tag_n_train import TagNTrain

__all__ = [
    "Anode",
    "Cathode",
    "Curtains",
    "Cwola",
    "DecorrelatedCwola",
    "Feta",
    "Idealised",
    "LaCathode",
    "SaCwola",
    "Salad",
    "TagNTrain",
]
