"""The page as a whole: how its events are wired."""

from gpt.library import Library
from gpt.ui.page import build_page


def test_every_event_reports_its_progress_to_one_component_that_is_not_on_the_page():
    config = build_page(Library()).get_config_file()
    (reported_to,) = {tuple(event["show_progress_on"]) for event in config["dependencies"]}
    (component,) = [each for each in config["components"] if each["id"] in reported_to]
    assert component["props"]["visible"] is False
