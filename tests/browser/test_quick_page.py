"""What keeps the page quick, counted instead of timed: times are in tests/bench."""

# Gradio keeps the state of its events in one object, by component, and goes through all of it with each message.
_COUNT = """(() => {
  const entries = Object.entries;
  window.told = [];
  Object.entries = (object) => {
    const found = entries(object);
    if (found[0]?.[1]?.component_id !== undefined) window.told.push(found.length);
    return found;
  };
})();"""


def test_the_state_of_an_event_is_told_to_one_component(open_page):
    page = open_page("?length=8&tab=layernorm", script=_COUNT)
    page.wait_for_selector("#norm-where:has-text('read by')", timeout=60_000)
    page.locator("#norm-view").get_by_text("Per token").click()
    page.wait_for_selector("#norm-figures .js-plotly-plot")
    told = page.evaluate("window.told")
    assert told
    assert set(told) == {1}


def test_the_plot_library_comes_before_the_first_figure_is_asked_for(open_page):
    page = open_page("?length=8")
    asked = "() => performance.getEntriesByType('resource').some(({name}) => name.includes('/PlotlyPlot-'))"
    page.wait_for_function(asked, timeout=60_000)
    assert not page.locator(".js-plotly-plot:visible").count()


def test_gradio_is_given_events_that_it_can_look_through_quickly(open_page):
    page = open_page("?length=8")
    page.wait_for_selector("#run-status:has-text('tokens/s')", timeout=60_000)
    events = page.evaluate(
        """window.gradio_config.dependencies.map((event) => ({
          isPlain: Object.getPrototypeOf(event) === Object.prototype,
          ids: event.targets.map(([id]) => id),
          asksServer: event.backend_fn,
        }))"""
    )
    assert len(events) > 100
    assert not any(event["isPlain"] for event in events)  # Gradio puts proxies around plain objects
    assert not any(None in event["ids"] for event in events)
    assert max(len(event["ids"]) for event in events if not event["asksServer"]) == 1
