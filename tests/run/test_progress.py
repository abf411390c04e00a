import io

from rich.console import Console
from toy_tasks import ToyConfig, draw

from serendip.run import Bar, Lines, Stage, progress_on, run_stage
from serendip.run.progress import duration


class Clock:
    """A clock that goes on by one second each time it is read."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_off_a_terminal_there_are_dated_lines_every_few_seconds():
    stream = io.StringIO()
    lines = Lines(Console(file=stream), every_s=5.0, clock=Clock())
    lines.begin("toys", 12, 0)
    for _ in range(12):
        lines.advance()
    lines.end()
    dates, texts = zip(*(line.split("  ", 1) for line in stream.getvalue().splitlines()), strict=True)
    assert texts == (
        "toys: 12 tasks",
        "toys: 5 of 12, 7.0 s left",
        "toys: 10 of 12, 2.0 s left",
        "toys: 12 of 12 done in 13 s",
    )
    assert all(len(date) == 19 for date in dates)


def test_a_resumed_stage_counts_only_its_own_speed():
    stream = io.StringIO()
    lines = Lines(Console(file=stream), every_s=1.0, clock=Clock())
    lines.begin("toys", 100, 90)
    lines.advance()
    assert "90 done before" in stream.getvalue()
    assert "91 of 100, 9.0 s left" in stream.getvalue()


def test_off_a_terminal_lines_are_chosen():
    assert isinstance(progress_on(Console(file=io.StringIO())), Lines)


def test_a_long_line_is_not_broken():
    stream = io.StringIO()
    Lines(Console(file=stream, width=20)).note("x" * 100)
    assert "x" * 100 in stream.getvalue()


def test_on_a_terminal_there_is_a_bar():
    assert isinstance(progress_on(Console(file=io.StringIO(), force_terminal=True)), Bar)


def test_a_bar_leaves_one_line_a_stage(folder):
    stream = io.StringIO()
    bar = Bar(Console(file=stream, force_terminal=True, width=100, color_system=None))
    run_stage(folder, Stage("draw", draw, 3), ToyConfig(), progress=bar)
    assert "3/3" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].strip().endswith("s")
    assert "draw: 3 of 3 done in 0.0 s" in stream.getvalue()


def test_names_with_brackets_are_no_markup():
    stream = io.StringIO()
    Bar(Console(file=stream)).note("window [3300, 3700] [bold]")
    assert stream.getvalue() == "window [3300, 3700] [bold]\n"


def test_durations_read_as_people_say_them():
    assert [duration(s) for s in (0.42, 75, 720, 11_000)] == ["0.4 s", "75 s", "12 min", "3.1 h"]
