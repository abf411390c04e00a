"""ROOT: the flat branches of a TTree, or the fields of an RNTuple, read with uproot."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from serendip.errors import InputError, MissingExtraError, unknown_name

TABLES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")


def column_names(path: Path, inside: str | None) -> list[str]:
    """The names of the branches; those that are not one number an event are refused when read."""
    with _opened(path, inside) as tree:
        return list(tree.keys())


def iter_columns(
    path: Path, inside: str | None, names: list[str], rows_per_chunk: int
) -> Iterator[dict[str, np.ndarray]]:
    """The named branches; baskets are unpacked as they are needed."""
    with _opened(path, inside) as tree:
        # A filter, because uproot would compute names that look like expressions.
        yield from tree.iterate(filter_name=set(names).__contains__, step_size=rows_per_chunk, library="np")


@contextmanager
def _opened(path: Path, inside: str | None) -> Iterator[Any]:
    try:
        import uproot
    except ImportError:
        raise MissingExtraError("uproot", "root") from None
    # Without caches: a chunk is read once, and memory is to hold no more than one.
    with uproot.open(path, object_cache=None, array_cache=None) as file:
        trees = list(dict.fromkeys(file.keys(cycle=False, filter_classname=lambda name: name in TABLES)))
        yield file[_tree(path, inside, trees)]


def _tree(path: Path, inside: str | None, trees: list[str]) -> str:
    if not trees:
        raise InputError(f"{path}: Got no tree in the file, but expected a TTree.")
    if inside is None and len(trees) > 1:
        raise InputError(f"{path}: Got {len(trees)} trees, but expected one, or its name: {path}:{trees[0]}.")
    if inside is not None and inside not in trees:
        raise InputError(f"{path}: {unknown_name('tree', inside, trees)}")
    return inside or trees[0]
