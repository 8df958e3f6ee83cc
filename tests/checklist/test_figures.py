"""The line of requests on the overview."""

from readiness.checklist.figures import spark_points


def test_line_runs_over_the_whole_width_with_zero_at_the_bottom():
    assert spark_points([0, 5, 10]) == "0.0,24.0 94.0,13.0 188.0,2.0"


def test_line_of_nothing_lies_at_the_bottom():
    assert spark_points([0, 0]) == "0.0,24.0 188.0,24.0"


def test_single_window_is_no_line():
    assert spark_points([7]) == ""
