"""The command line. Exit code 0: done, 1: failed, 2: bad input, 3: done, but the validity gate failed, 4: alarm."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from serendip import __version__
from serendip.cli_common import ALARM, NOT_VALID, console, explained
from serendip.cli_simulate import simulate
from serendip.errors import ConfigError

if TYPE_CHECKING:  # commands import what they need, so that help and errors come at once
    from serendip.config import Run


class Shard(click.ParamType):
    """`i/N`: the tasks whose index leaves i when divided by N."""

    name = "i/N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers."""
        if isinstance(value, tuple):
            return value
        first, slash, count = str(value).partition("/")
        if not (slash and first.isdigit() and count.isdigit() and int(first) < int(count)):
            self.fail(f"Got {value!r}, but expected i/N with 0 <= i < N, such as 0/4.", param, ctx)
        return int(first), int(count)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="serendip")
def main() -> None:
    """Model-independent searches for new physics: scores, calibrated p-values, and how far to trust them."""


set_option = click.option("--set", "overrides", multiple=True, metavar="KEY.KEY=VALUE", help="Override one key.")
workers_option = click.option("--workers", type=click.IntRange(1), help="Processes on this machine.")
output_option = click.option("-o", "--output", type=click.Path(path_type=Path), help="Run folder.")


@main.command()
@output_option
@workers_option
@explained
def demo(output: Path | None, workers: int | None) -> int:
    """Simulate a falling spectrum with a hidden resonance, and search for it."""
    from serendip.search.demo import demo_config

    return _search(demo_config(), output or Path("runs/demo"), workers or 2, (0, 1))


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@set_option
@workers_option
@output_option
@click.option("--shard", type=Shard(), default="0/1", help="Run only this part of the tasks, for array jobs.")
@explained
def run(
    config: Path, overrides: tuple[str, ...], workers: int | None, output: Path | None, shard: tuple[int, int]
) -> int:
    """Run the search of CONFIG, or go on with it where it stopped."""
    from serendip.config import load_config

    loaded = load_config(config, overrides)
    return _search(loaded, output or Path(loaded.output or f"runs/{config.stem}"), workers, shard)


def with_workers(config: "Run", workers: int | None) -> "Run":
    """The config with the number of processes that the command line asks for."""
    if workers is None:
        return config
    return config.model_copy(update={"engine": config.engine.model_copy(update={"workers": workers})})


def _search(config: "Run", output: Path, workers: int | None, shard: tuple[int, int]) -> int:
    from serendip.report.tables import result_table
    from serendip.run.progress import progress_on
    from serendip.search import SEARCHES

    search = SEARCHES[config.search]
    result = search(with_workers(config, workers), output, progress=progress_on(), shard=shard)
    if result is None:
        console.print(f"Shard {shard[0]}/{shard[1]} is done. When all are: serendip merge {output}")
        return 0
    console.print(result_table(result.as_json()))
    console.print(f"Report: {output / 'report.html'}", soft_wrap=True)
    return 0 if result.valid else NOT_VALID


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@explained
def status(folder: Path) -> None:
    """How far the run in FOLDER has got; from another shell, or after a crash."""
    from serendip.run.progress import duration
    from serendip.run.status import status as read_status

    state = read_status(folder)
    table = Table("stage", "done", "of", "rate", "time left")
    for stage in state.stages:
        rate = "–" if stage.rate_per_s is None else f"{60 * stage.rate_per_s:.1f}/min"
        left = "–" if stage.eta_s is None or not state.running else duration(stage.eta_s)
        table.add_row(stage.name, str(stage.done), str(stage.total), rate, left)
    console.print(table)
    console.print("running" if state.running else "not running")
    if state.last:
        console.print(f"last: {json.dumps(state.last)}", markup=False, soft_wrap=True)


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option
@workers_option
@explained
def merge(folders: tuple[Path, ...], output: Path | None, workers: int | None) -> int:
    """Bring shards together (one shared folder, or several into the -o one), and finish the search."""
    from serendip.config import make_config
    from serendip.run.folder import RunFolder
    from serendip.run.merge import merge as merge_folders

    into = output or folders[0]
    if len(folders) > 1 or into != folders[0]:
        merge_folders(folders, into)
    return _search(make_config(RunFolder.at(into).config), into, workers, (0, 1))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@explained
def report(folder: Path) -> int:
    """Write the report of the run in FOLDER anew, from its results."""
    from serendip.config import make_config
    from serendip.run.folder import RunFolder

    return _search(make_config(RunFolder.at(folder).config), folder, None, (0, 1))


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@set_option
@workers_option
@output_option
@explained
def evaluate(config: Path, overrides: tuple[str, ...], workers: int | None, output: Path | None) -> None:
    """Compare the methods of CONFIG on labelled events: AUC, ROC, significance improvement, with errors."""
    from serendip.config import Config, load_config
    from serendip.run.progress import progress_on
    from serendip.search.evaluate import evaluate as evaluate_methods
    from serendip.search.evaluate_panels import metrics_table

    loaded = with_workers(load_config(config, overrides), workers)
    if not isinstance(loaded, Config):
        raise ConfigError(f"search: Got {loaded.search}, but expected resonance: evaluate compares the methods of one.")
    folder = output or Path(f"runs/{config.stem.removesuffix('_evaluate')}-evaluate")
    metrics = evaluate_methods(loaded, folder, progress=progress_on())
    console.print(metrics_table(metrics))
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1)
@set_option
@workers_option
@output_option
@click.option("--follow/--once", help="Wait for further files that match, until Ctrl-C.  [default: once]")
@click.option("--until-alarm", is_flag=True, help="Stop after the first alarm.")
@click.option("--poll", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds between two looks.")
@explained
def monitor(
    config: Path,
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    workers: int | None,
    output: Path | None,
    follow: bool,
    until_alarm: bool,
    poll: float,
) -> int:
    """Test FILES (or the data of CONFIG) batch by batch against a reference; exit code 4 if one gives the alarm."""
    from serendip.config import GoodnessOfFit, load_config
    from serendip.run.progress import progress_on
    from serendip.search.monitor import monitor as watch

    loaded = with_workers(load_config(config, overrides), workers)
    if not isinstance(loaded, GoodnessOfFit):
        raise ConfigError(f"search: Got {loaded.search}, but expected goodness_of_fit, the search that can monitor.")

    def tell(line: str) -> None:
        console.print(line, style="bold red" if "ALARM" in line else None, markup=False, soft_wrap=True)

    folder = output or Path(f"runs/{config.stem}-monitor")
    bar = progress_on()
    watched = watch(loaded, folder, files, follow=follow, until_alarm=until_alarm, poll=poll, tell=tell, progress=bar)
    tell(f"{watched.batches} batches, {watched.alarms} with alarm; records: {folder / 'batches.jsonl'}")
    return ALARM if watched.alarms else 0


main.add_command(simulate)


@main.group()
def data() -> None:
    """Public event samples."""


@data.command("list")
@explained
def list_data() -> None:
    """The sets that can be fetched by name."""
    from serendip.data import catalogue

    table = Table("name", "what it is", "source", "licence")
    for name in catalogue.names():
        entry = catalogue.describe(name)
        table.add_row(name, entry.description, entry.page, entry.licence)
    console.print(table)


@data.command("fetch")
@click.argument("name")
@explained
def fetch_data(name: str) -> None:
    """Find set NAME in $SERENDIP_DATA, or download it and pin its hash."""
    from serendip.data import catalogue

    console.print(str(catalogue.fetch(name)), soft_wrap=True)


@main.command()
@explained
def methods() -> None:
    """Every method: its name, what it needs, where it comes from."""
    from serendip.score import METHODS

    table = Table("name", "what it does", "needs", "source")
    for name, method in METHODS.items():
        table.add_row(name, method.summary, ", ".join(sorted(method.needs)), method.source)
    console.print(table)


@main.command("tests")
@explained
def list_tests() -> None:
    """Every test of a sample against a reference: its name, what it sees, where it comes from."""
    from serendip.stats.sample_tests import TESTS

    table = Table("name", "what it does", "counts too", "learns a ratio", "source")
    for name, test in TESTS.items():
        table.add_row(
            name, test.summary, "yes" if test.counts else "no", "yes" if test.has_ratio else "no", test.source
        )
    console.print(table)


@main.command()
@explained
def schema() -> None:
    """The JSON Schema of the config."""
    from serendip.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
