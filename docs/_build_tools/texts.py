"""What is done to texts before they are read: papers become links, and docstrings reStructuredText."""

import re

from sphinx.application import Sphinx


def linked(text: str) -> str:
    """`arXiv:1007.1727` and `doi:10.…` in Markdown as links."""
    text = re.sub(r"(?<!\[)arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"(?<!\[)doi:(10\.[^\s)]+)", r"[doi:\1](https://doi.org/\1)", text)


def link_papers(app: Sphinx, name: str, source: list[str]) -> None:
    """In the pages written by hand."""
    if not name.startswith("gallery"):
        source[0] = linked(source[0])


def keep_signs(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """|Z| is a magnitude here, and no substitution; "*members" a shape, and no emphasis."""
    signs = r"(`[^`]*`)|(\||(?<![\w*\\])\*(?=\w))"
    lines[:] = [re.sub(signs, lambda found: found[1] or "\\" + found[2], line) for line in lines]


def skip_inherited(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """scikit-learn puts methods of its own into every estimator, with links into its own pages."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", link_papers)
    app.connect("autodoc-process-docstring", keep_signs)
    app.connect("autodoc-skip-member", skip_inherited)
    return {"parallel_read_safe": True}
