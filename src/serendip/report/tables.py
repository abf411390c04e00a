"""The words and numbers of a result, once for the terminal and once for the page."""

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from serendip.stats.p_value import z_from_p

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_number(value: Any, digits: int = 3) -> str:
    """A number as a person writes it: 0.0021, 1,234, 3.1 × 10⁻⁷; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(format_number(v, digits) for v in value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) < 10**9:
        return f"{value:,}"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def is_upper_limit(p_value: Mapping[str, Any]) -> bool:
    """Whether the interval of p touches 0, so that only its upper end is known."""
    interval = p_value.get("p_interval")
    return interval is not None and interval[0] == 0


def format_p(p_value: Mapping[str, Any]) -> str:
    """`p = 0.002 [0.0012, 0.0031]`, or `p < 0.0011 (68 % CL)` for an upper limit."""
    low, high = p_value.get("p_interval") or (p_value["p"], p_value["p"])
    if is_upper_limit(p_value):
        return f"p < {format_number(high, 2)} (68 % CL)"
    if p_value["p"] is None:
        return "no p-value"
    interval = "" if low == high else f" [{format_number(low, 2)}, {format_number(high, 2)}]"
    return f"p = {format_number(p_value['p'], 2)}{interval}"


def format_z(p_value: Mapping[str, Any]) -> str:
    """`Z = 2.88 [2.74, 3.04]`, or `Z > 3.06` for an upper limit on p."""
    low, high = p_value.get("p_interval") or (p_value["p"], p_value["p"])
    if is_upper_limit(p_value):
        return f"Z > {z_from_p(high):.2f}"
    if p_value.get("z") is None:
        return "no Z"
    interval = "" if low == high else f" [{z_from_p(high):.2f}, {z_from_p(low):.2f}]"
    return f"Z = {p_value['z']:.2f}{interval}"


def format_how(p_value: Mapping[str, Any]) -> str:
    """How p was got, and on how many toys it stands."""
    how, toys = p_value.get("how", "not said"), p_value.get("n_toys")
    if not toys:
        return how
    return f"{toys:,} toys" if how == "toys" else f"{how}, {toys:,} toys"


def facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the headline says beside the p-values: the best window or statistic, its events, trials; only what is there."""
    best, trials = result.get("best") or {}, result.get("trials") or {}
    rows = _statistic_facts(best, alone=not trials) if best.get("test") else []
    if best.get("window"):
        window = "–".join(f"{edge:g}" for edge in best["window"])
        rows.append(("Best window", f"{window} {best.get('unit', '')}".strip()))
    if best.get("cut") is not None:
        rows.append(("Cut (background efficiency)", f"{100 * best['cut']:g} %"))
    if best.get("observed") is not None:
        rows.append(("Observed events", format_number(best["observed"], 4)))
    if best.get("expected") is not None:
        error = best.get("expected_error")
        spread = "" if error is None else f" ± {format_number(error)}"
        rows.append(("Expected background", f"{format_number(best['expected'], 4)}{spread}"))
    if trials:
        rows.append(("Trials", " × ".join(f"{count} {counted(what, count)}" for what, count in trials.items())))
    return rows


def _statistic_facts(best: Mapping[str, Any], alone: bool) -> list[tuple[str, str]]:
    """The most significant test, or the only one, and its statistic among those of toys."""
    column = best.get("column")
    what = "Test" if alone else "Most significant test"
    rows = [(what, f"{best['test']}, {column}" if column else best["test"])]
    value = format_number(best["statistic"], 4)
    if best.get("toy_median") is not None:
        low, high = (format_number(edge) for edge in best["toy_interval"])
        value += f"; toys {format_number(best['toy_median'])}, 68 % of them in [{low}, {high}]"
    return [*rows, ("Statistic", value)]


def meanings(result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What global and local p are of, in this search."""
    if (result.get("best") or {}).get("test") and not result.get("trials"):
        return ("global", "the one test, fixed before the data were looked at"), ("local", "the same")
    if (result.get("best") or {}).get("test"):
        return ("global", "all tests with all their settings, combined"), ("local", "the most significant one alone")
    return (
        ("global", "every window, cut and method, each choice repeated"),
        ("local", "the best window alone, before the look-elsewhere effect"),
    )


def counted(noun: str, count: float) -> str:
    """`windows` for any count but 1: then `window`."""
    return noun[:-1] if count == 1 and noun.endswith("s") else noun


def check_state(check: Mapping[str, Any]) -> str:
    """`passed`, `failed`, or `not run` where a check could not be made."""
    return {True: "passed", False: "failed"}.get(check.get("passed"), "not run")  # type: ignore[arg-type]


def failed_checks(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The checks that make a result invalid."""
    return [check for check in result.get("checks", ()) if check_state(check) == "failed"]


def is_valid(result: Mapping[str, Any]) -> bool:
    """Whether the result says so and none of its checks failed."""
    return bool(result.get("valid")) and not failed_checks(result)


def validity_text(result: Mapping[str, Any]) -> str:
    """How many checks passed, and how many were not made."""
    states = [check_state(check) for check in result.get("checks", ())]
    not_run = f", {states.count('not run')} not run" if "not run" in states else ""
    return f"{states.count('passed')} of {len(states)} checks passed{not_run}"


def sorted_checks(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All checks: failed ones first, then those not run."""
    order = ["failed", "not run", "passed"]
    return sorted(result.get("checks", ()), key=lambda check: order.index(check_state(check)))


def result_table(result: Mapping[str, Any]) -> Table:
    """The result as a table for the terminal; a failed check stands in it with its reason.

    Args:
        result: a `result.json` of schema 1.
    """
    title = Text(f"{result.get('search', 'search')} · {result.get('method', 'method')}", style="bold")
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column("what", style="dim", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name in ("global", "local"):
        if result.get(name):
            table.add_row(f"{name.capitalize()} p", Text(f"{format_p(result[name])}   {format_z(result[name])}"))
            table.add_row("", Text(format_how(result[name]), style="dim"))
    table.add_section()
    for what, value in facts(result):
        table.add_row(what, Text(value))
    table.add_section()
    _add_validity(table, result)
    return table


def _add_validity(table: Table, result: Mapping[str, Any]) -> None:
    valid = is_valid(result)
    verdict = Text("VALID" if valid else "NOT VALID", style="bold green" if valid else "bold red")
    table.add_row("Validity", verdict + Text(f"   {validity_text(result)}", style="dim"))
    for check in sorted_checks(result):
        state = check_state(check)
        if state != "passed":
            reason = f"{check['name']} ({state}): {check.get('detail') or format_number(check.get('value'))}"
            table.add_row("", Text(reason, style="red" if state == "failed" else "yellow"))
