"""The chart's README has each of its values, as values.yaml and the schema have them now."""

from local_cluster.value_table import README, text


def test_the_readme_has_every_value_of_the_chart() -> None:
    assert README.read_text() == text(), "run make render, and commit what it writes"
