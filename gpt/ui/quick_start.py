"""What the page changes in Gradio's description of itself before Gradio builds the page from it.

Nothing of it changes what the page does: it saves Gradio work that grows with components times events.
"""

# Gradio asks each event once for each component, through proxies that would notice if an event were changed. None is,
# and an object with a prototype of its own gets no proxy.
_PLAIN_EVENTS = "events.forEach((event) => Object.setPrototypeOf(event, {}));"

# An event that follows another has nothing that triggers it. Gradio searches all components for that nothing.
_NO_SEARCH_FOR_NOTHING = "events.forEach((event) => event.targets = event.targets.filter(([id]) => id !== null));"

# Gradio tells the state of an event not only to what shows its progress, but also, from its end on, to all its inputs,
# with every message of every other event again, and searches all components for each. It adds the inputs by `concat`:
# a list that does not spread is passed over.
_NOT_TOLD_TO_INPUTS = "events.forEach(({inputs}) => inputs[Symbol.isConcatSpreadable] = false);"

HEAD = f"""<script>{{
  const events = window.gradio_config.dependencies;
  {_PLAIN_EVENTS}
  {_NO_SEARCH_FOR_NOTHING}
  {_NOT_TOLD_TO_INPUTS}
}}</script>"""
