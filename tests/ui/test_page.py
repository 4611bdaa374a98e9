"""The page as a whole: how its events are wired."""

from gpt.library import Library
from gpt.ui.page import build_page


def test_every_event_reports_its_progress_to_one_component_that_nobody_sees():
    config = build_page(Library()).get_config_file()
    (reported_to,) = {tuple(event["show_progress_on"]) for event in config["dependencies"]}
    (component,) = [each for each in config["components"] if each["id"] in reported_to]
    assert component["props"]["visible"] == "hidden" and not component["props"].get("value")


def test_the_page_drops_no_event_of_a_person_while_an_earlier_one_is_answered():
    dropping = [event for event in build_page(Library()).fns.values() if event.trigger_mode == "once"]
    assert {name for event in dropping for _, name in event.targets} == {"tick"}
