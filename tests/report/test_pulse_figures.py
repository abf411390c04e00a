"""Panels of recorded events draw, at the edges too, and say their numbers."""

from dataclasses import replace

import numpy as np
import pytest

from serendip.data.events import Events
from serendip.data.recordings import Recordings
from serendip.errors import InputError
from serendip.report.canvas import render, style
from serendip.report.pulse_figures import draw_pulses
from serendip.report.pulse_panels import EventPulses, PulsePanel, example_events

TUBES = np.array([[0.0, 0.0], [8.0, 0.0], [-8.0, 0.0]])


def event(**other) -> EventPulses:
    s1, s2 = np.zeros(200), np.zeros(300)
    s1[10:14], s2[140:160] = [3.0, 5.0, 2.0, 1.0], 40.0
    return replace(EventPulses("ER $E$, 5 keV", s1, s2, np.array([300.0, 90.0, 0.0]), (1.0, -2.0)), **other)


def panel(*events: EventPulses) -> PulsePanel:
    return PulsePanel("pulses", "Recordings", events or (event(),), TUBES, 7.62, (10.0, 50.0))


def test_shows_the_pulse_and_not_the_empty_record():
    with style():
        figure = draw_pulses(panel(event(), event(label="NR")))
    assert len(figure.axes) == 7  # two rows of three, and the colours
    low, high = figure.axes[0].get_xlim()
    assert 70 <= low < 100
    assert 140 < high < 200
    low, high = figure.axes[1].get_xlim()
    assert 6 < low < 7
    assert 8 < high < 9


def test_discs_stand_at_the_tubes_and_the_cross_at_the_event():
    with style():
        ax = draw_pulses(panel()).axes[2]
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), TUBES)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1.0, -2.0]])


def test_an_empty_event_draws():
    with style():
        figure = draw_pulses(panel(event(s1=np.zeros(200), s2=np.zeros(300), pattern=np.zeros(3))))
    assert render(figure, "png")


def test_numbers_have_a_row_for_each_sample_and_tube():
    numbers = panel().numbers()
    assert {len(values) for values in numbers.values()} == {200 + 300 + 3}
    pattern = np.char.endswith(np.asarray(numbers["series"], str), "pattern")
    np.testing.assert_array_equal(np.asarray(numbers["pe"])[pattern], [300.0, 90.0, 0.0])
    np.testing.assert_array_equal(np.asarray(numbers["x"])[pattern], TUBES[:, 0])


@pytest.mark.parametrize(
    ("events", "said"),
    [((), "Got no events"), ((event(pattern=np.zeros(4)),), "Got a pattern of 4 tubes, but expected 3")],
)
def test_refuses_what_cannot_be_drawn(events, said):
    with pytest.raises(InputError, match=said):
        PulsePanel("pulses", "Recordings", events, TUBES, 7.62, (10.0, 50.0))


def test_examples_come_from_recordings_with_pulses():
    columns = {name: np.arange(4.0) for name in "xy"}
    s1, s2, pattern = (np.ones((4, n), np.float32) for n in (200, 300, 3))
    chosen = example_events(Recordings(Events(columns), s1, s2, pattern), np.array([2, 0]), ("a", "b"))
    assert [e.place for e in chosen] == [(2.0, 2.0), (0.0, 0.0)]
    with pytest.raises(InputError, match="expected waveforms"):
        example_events(Recordings(Events(columns)), np.array([0]), ("a",))
