"""Model files: an .npz of plain arrays and one JSON string, that executes nothing when it is read.

The file appears whole or not at all, and says its format version and what kind of model it holds.
"""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from serendip.errors import InputError

FORMAT = 1
HEADER = "header"

Tree = TypeVar("Tree")


def save(path: str | Path, module: Any, settings: dict[str, Any], kind: str) -> None:
    """Write a module's arrays, and the settings that it can be built from again.

    Args:
        path: of the file, which is replaced if it exists.
        module: any tree of arrays.
        settings: JSON values.
        kind: what the model is, such as "classifier"; `load` can ask for it.
    """
    write(path, module, settings, kind)


def load(path: str | Path, build: Callable[[dict[str, Any]], Tree], kind: str | None = None) -> Tree:
    """Read what `save` wrote, bit for bit.

    Args:
        path: of the file.
        build: makes a module of the same structure from the settings; the values of its arrays are replaced.
        kind: refuse models of another.

    Raises:
        InputError: the file is missing, broken, no model, of another kind, of another version, or `build` makes
            arrays of other shapes.
    """
    settings, leaves = read(path, kind)
    return fill(path, build(settings), leaves)


def saved_settings(path: str | Path, kind: str | None = None) -> dict[str, Any]:
    """The settings in a model file.

    Raises:
        InputError: as for `load`.
    """
    return read(path, kind)[0]


def write(path: str | Path, tree: Any, settings: dict[str, Any], kind: str) -> None:
    """Write the arrays of a tree in its order, and settings."""
    path = Path(path)
    arrays = {f"array.{i}": np.asarray(leaf) for i, leaf in enumerate(_arrays(tree))}
    header = json.dumps({"format": FORMAT, "kind": kind, "arrays": len(arrays), "settings": settings})
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, **({HEADER: np.array(header)} | arrays))  # type: ignore[arg-type]
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | Path, kind: str | None = None) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Settings and arrays of a file.

    Raises:
        InputError: the file is missing, broken, no model, of another kind or version.
    """
    try:
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            header = dict(json.loads(str(file[HEADER])))
            _check_header(path, header, kind)
            return header["settings"], [file[f"array.{i}"] for i in range(header["arrays"])]
    except FileNotFoundError:
        raise InputError(f"{path}: Got no such file, but expected a model that was saved.") from None
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: Got a file that cannot be read as a model ({error}). Save the model anew."
        ) from error


def fill(path: str | Path, tree: Tree, leaves: list[np.ndarray]) -> Tree:
    """The tree with other values of its arrays.

    Raises:
        InputError: they do not fit.
    """
    old = _arrays(tree)
    found, expected = ([(np.shape(leaf), np.dtype(leaf.dtype)) for leaf in of] for of in (leaves, old))
    if found != expected:
        wrong = next((pair for pair in zip(found, expected) if pair[0] != pair[1]), (len(found), len(expected)))
        raise InputError(
            f"{path}: Got arrays that do not fit the model ({wrong[0]}, but expected {wrong[1]}). "
            "Load it with the settings and the version that it was saved with."
        )
    values = iter(leaves)
    arrays, rest = eqx.partition(tree, _is_array)
    filled = jax.tree.map(lambda leaf: _like(leaf, next(values)), arrays)
    return eqx.combine(filled, rest)


def _check_header(path: str | Path, header: dict[str, Any], kind: str | None) -> None:
    if header["format"] != FORMAT:
        raise InputError(
            f"{path}: Got a model file of format {header['format']}, but this version reads format {FORMAT}. "
            "Train and save the model anew, or use the version of Serendip that wrote it."
        )
    if kind is not None and header["kind"] != kind:
        raise InputError(f"{path}: Got a model of kind {header['kind']!r}, but expected {kind!r}.")


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray | jax.Array)


def _arrays(tree: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(tree) if _is_array(leaf)]


def _like(old: Any, new: np.ndarray) -> Any:
    """An array of the same sort: NumPy keeps its float64."""
    return new if isinstance(old, np.ndarray) else jnp.asarray(new)
