"""Events and where they come from."""

from serendip.data.columns import column_names, iter_columns
from serendip.data.events import Events, Truth, concatenate, effective_size
from serendip.data.expressions import Expression, parse
from serendip.data.readers import Reading, read, read_labelled, read_recipe
from serendip.data.recipe import Recipe
from serendip.data.recordings import Recordings, concatenate_recordings
from serendip.data.window import Window

__all__ = [
    "Events",
    "Expression",
    "Reading",
    "Recipe",
    "Recordings",
    "Truth",
    "Window",
    "column_names",
    "concatenate",
    "concatenate_recordings",
    "effective_size",
    "iter_columns",
    "parse",
    "read",
    "read_labelled",
    "read_recipe",
]
