"""Tables of how good background templates are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serendip.report import Panel, TablePanel
from serendip.search.prepare import Prepared
from serendip.search.template_quality import TemplateQuality, control_window, largest_pull, template_methods


def template_tables(p: Prepared, templates: Sequence[TemplateQuality]) -> Iterator[TablePanel]:
    """How good the templates of a search are beside each window, where methods make any; windows fastest."""
    if not templates:
        return
    cells = [(method, window) for method in template_methods(p.config) for window in p.windows]
    rows = []
    for (method, window), quality in zip(cells, templates, strict=True):
        pull, of = largest_pull(quality, list(p.config.features))
        if (control := control_window(p, window)) is None:
            rows.append((method.title, str(window), "none with events on both sides", "–", "–", "–"))
            continue
        auc = f"{quality.auc:.3f} ± {quality.error:.3f}"
        rows.append((method.title, str(window), str(control), auc, f"{pull:+.1f}", of))
    yield TablePanel(
        "templates",
        "Do the templates describe background?",
        ("method", "window", "held out", "AUC", "largest pull", "of"),
        tuple(rows),
        caption="The template of the window beside the one searched, made as that of the window itself, against the events "
        "there: AUC of a classifier between the two, 0.5 if they are alike, and the largest difference of a feature's mean "
        "or standard deviation over its statistical error, that of the learned density not included.",
    )


def known_templates(metrics: Mapping[str, Any]) -> list[Panel]:
    """How good each background template of an evaluation is, where a method makes one."""
    rows = [
        (
            name,
            *(
                text
                for against in ("control", "truth")
                for text in (
                    f"{one['template'][against]['auc']:.3f} ± {one['template'][against]['error']:.3f}",
                    f"{one['template'][against]['largest_pull']:+.1f} ({one['template'][against]['largest_pull_of']})",
                )
            ),
            f"{one['template']['seconds']:.1f}",
        )
        for name, one in metrics["methods"].items()
        if one["template"] is not None
    ]
    columns = ("method", "AUC, control", "largest pull", "AUC, truth", "largest pull, truth", "seconds")
    caption = (
        "A classifier between template and background: 0.5 if they are alike. Control: the window beside this one, which "
        "the template's density never saw. Truth: the true background in the window."
    )
    return [TablePanel("templates", "Background templates", columns, tuple(rows), caption)] if rows else []
