"""A prompt in the address: a short one in the query, a long one compressed in the fragment, which no server sees.

The page's own script packs and unpacks it. A prompt that is too long even for that leaves an empty `p=`: such a link
says so when it is opened, and never shows another prompt.
"""

from ..runs import MOST_CHARACTERS

# Encoded as in an address. Servers and chat programs cut longer queries; a fragment stays in the browser, but chat
# programs and printed pages have limits, too. English of about 1,300 characters, or compressed about 13,000.
_LONGEST_IN_QUERY = 1_500
_LONGEST_PACKED = 8_000
_MOST_BYTES = 4 * MOST_CHARACTERS  # of a prompt in UTF-8

# Puts the prompt into a URL and then into the address bar; `window.linkReady` is done when it is there.
WRITE_PROMPT = """
  const writePrompt = (url, prompt) => {
    const pack = async (text) => {
      const packed = new Blob([text]).stream().pipeThrough(new CompressionStream('deflate'));
      const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
      const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
      return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
    };
    const show = (packed) => {
      url = new URL(window.location);
      url.hash = packed === null ? '' : 'p=' + packed;
      window.history.replaceState(null, '', url);
      const line = document.querySelector('#copy-link .too-long');
      if (line) line.hidden = packed !== '';
    };
    window.linkedPrompt = prompt;
    const isShort = new URLSearchParams({prompt}).toString().length <= LONGEST_IN_QUERY;
    isShort ? url.searchParams.set('prompt', prompt) : url.searchParams.delete('prompt');
    url.hash = isShort ? '' : 'p=';
    window.history.replaceState(null, '', url);
    if (isShort || prompt.length > MOST_CHARACTERS) {
      window.linkReady = null;
      show(isShort ? null : '');
      return;
    }
    window.linkReady = pack(prompt).catch(() => '').then((packed) => {
      if (window.linkedPrompt === prompt) show(packed.length <= LONGEST_PACKED ? packed : '');
    });
  };
""".replace("LONGEST_IN_QUERY", str(_LONGEST_IN_QUERY))
WRITE_PROMPT = WRITE_PROMPT.replace("LONGEST_PACKED", str(_LONGEST_PACKED))
WRITE_PROMPT = WRITE_PROMPT.replace("MOST_CHARACTERS", str(MOST_CHARACTERS))

# The prompt of the fragment for the server: "" for none, null for one that cannot be read.
READ_PROMPT = """async () => {
  const packedIn = (hash) => new URLSearchParams(hash.slice(1)).get('p');
  window.addEventListener('hashchange', () => packedIn(window.location.hash) === null || window.location.reload());
  const packed = packedIn(window.location.hash);
  if (packed === null) return [''];
  try {
    const letters = atob(packed.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
    const decoder = new TextDecoder('utf-8', {fatal: true});
    let text = '', count = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      count += part.value.length;
      if (count > MOST_BYTES) return [null];
      text += decoder.decode(part.value, {stream: true});
    }
    return [text + decoder.decode() || null];
  } catch {
    return [null];
  }
}""".replace("MOST_BYTES", str(_MOST_BYTES))

UNREADABLE = "The prompt of this link was too long for it, or the link was cut: paste the prompt here."
