"""Figures for the gallery: those that an example draws without pyplot, as `serendip.report.draw` does."""

from pathlib import Path

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from serendip.report.canvas import render


def scrape(block, block_vars, gallery_conf):
    """Save every `Figure` that this block of the example made, and return the text that shows them."""
    shown = block_vars.setdefault("figures_shown", set())
    paths = []
    for value in block_vars["example_globals"].values():
        if isinstance(value, Figure) and id(value) not in shown:
            shown.add(id(value))
            paths.append(next(block_vars["image_path_iterator"]))
            Path(paths[-1]).write_bytes(render(value, "png"))
    return figure_rst(paths, gallery_conf["src_dir"])


def _get_sg_image_scraper():
    return scrape
