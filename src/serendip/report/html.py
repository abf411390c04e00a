"""The report: one self-contained page, and beside it every figure and table as files of their own."""

import base64
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import jinja2
import yaml

from serendip.report.canvas import render
from serendip.report.figures import draw
from serendip.report.panels import Panel, TablePanel
from serendip.report.tables import (
    check_state,
    facts,
    failed_checks,
    format_how,
    format_number,
    format_p,
    format_z,
    is_upper_limit,
    is_valid,
    meanings,
    sorted_checks,
    validity_text,
)
from serendip.run.folder import write_atomically

_WITHOUT = {"value": None, "limit": None, "detail": ""}  # of a check that does not say


@dataclass(frozen=True)
class _Shown:
    """A panel as the template needs it."""

    name: str
    title: str
    caption: str
    image: str = ""
    panel: TablePanel | None = None


def write_report(
    folder: Path,
    result: Mapping[str, Any],
    panels: Sequence[Panel],
    *,
    config: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Path:
    """Write `report.html`, `figures/NAME.{png,pdf,csv}` and `tables/NAME.csv`.

    The page asks nothing of the network, and prints what it is given as text, never as markup.

    Args:
        folder: the run folder.
        result: a `result.json` of schema 1.
        panels: in the order in which they shall stand; names become file names.
        config: as it was resolved.
        notes: sentences below the headline.

    Returns:
        Where the page is.

    Raises:
        RunFolderError: the disk is full, or the folder cannot be written.
    """
    names = file_names(panel.name for panel in panels)
    shown = [_write_panel(folder, name, panel) for name, panel in zip(names, panels)]
    checks = csv_text(
        ("name", "state", "value", "limit", "detail"),
        (
            (c["name"], check_state(c), c.get("value"), c.get("limit"), c.get("detail", ""))
            for c in result.get("checks", ())
        ),
    )
    write_atomically(folder / "tables" / "checks.csv", checks.encode())
    page = _template().render(
        result=result,
        facts=facts(result),
        meanings=meanings(result),
        checks=[{**_WITHOUT, **check} for check in sorted_checks(result)],
        failed=[{**_WITHOUT, **check} for check in failed_checks(result)],
        valid=is_valid(result),
        validity=validity_text(result),
        figures=[s for s in shown if s.panel is None],
        tables=[s for s in shown if s.panel is not None],
        config=yaml.safe_dump(json.loads(json.dumps(config, default=str)), sort_keys=False, allow_unicode=True),
        notes=notes,
    )
    return write_atomically(folder / "report.html", page.encode())


def file_names(names: Iterable[str]) -> list[str]:
    """Names that every file system takes, each once; `a/b` becomes `a_b`, its twin `a_b-2`."""
    given: list[str] = []
    taken = {"checks"}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "panel"
        free = (stem if n == 1 else f"{stem}-{n}" for n in count(1))
        given.append(next(candidate for candidate in free if candidate.lower() not in taken))
        taken.add(given[-1].lower())
    return given


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows below their header, numbers in full precision."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _as_yaml(config: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(dict(config), default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _write_panel(folder: Path, name: str, panel: Panel) -> _Shown:
    title, caption = without_dollars(panel.title), without_dollars(panel.caption)
    if isinstance(panel, TablePanel):
        write_atomically(folder / "tables" / f"{name}.csv", csv_text(panel.columns, panel.rows).encode())
        return _Shown(name, title, caption, panel=panel)
    figure = draw(panel)
    png = render(figure, "png")
    numbers = {column: values.tolist() for column, values in panel.numbers().items()}
    write_atomically(folder / "figures" / f"{name}.png", png)
    write_atomically(folder / "figures" / f"{name}.pdf", render(figure, "pdf"))
    write_atomically(folder / "figures" / f"{name}.csv", csv_text(numbers, zip(*numbers.values())).encode())
    return _Shown(name, title, caption or title, image=base64.b64encode(png).decode())


def without_dollars(text: str) -> str:
    """A label with mathematics, for a place that does not typeset: `$m_{jj}$` becomes `m_jj`."""
    return re.sub(r"\$([^$]+)\$", lambda formula: re.sub(r"[{}\\]", "", formula[1]), text)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "p": format_p,
        "z": format_z,
        "how": format_how,
        "state": check_state,
        "is_limit": is_upper_limit,
    }
    return environment.get_template("report.html.j2")
