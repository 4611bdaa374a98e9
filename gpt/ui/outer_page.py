"""A Space is a frame inside the hub's page: that page is told every new address, and shows it in its own.

It reads only `queryString` and `hash` of such a message. Any other page that frames ours is told nothing.
"""

import gradio as gr

from .host.host_options import HUB_PAGE, Options

# The hub signs the address of a private Space's frame: that part is for nobody else.
_TELL = """
const outer = window.location.ancestorOrigins;
if (window.parent !== window && (!outer || outer[0] === 'HUB_PAGE')) {
  const tell = () => {
    const query = new URLSearchParams(window.location.search);
    query.delete('__sign');
    window.parent.postMessage({queryString: query.toString(), hash: window.location.hash}, 'HUB_PAGE');
  };
  ['pushState', 'replaceState'].forEach((name) => {
    const write = window.history[name].bind(window.history);
    window.history[name] = (...given) => { write(...given); tell(); };
  });
  tell();
}
""".replace("HUB_PAGE", HUB_PAGE)


def follow_outside(options: Options) -> None:
    """On a Space, tell the page around it the address; anywhere else nothing is sent."""
    if options.space_host:
        gr.HTML("", js_on_load=_TELL, visible="hidden")
