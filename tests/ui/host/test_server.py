"""What the server sends of the page, as it comes off the wire."""

import gzip
import urllib.request

from tests.in_process import serving

_SECONDS = 60


def test_the_page_travels_packed(small_folder):
    with serving("--model", str(small_folder)) as served:
        plain, packed = (
            urllib.request.urlopen(
                urllib.request.Request(served.address, headers={"Accept-Encoding": encoding}), timeout=_SECONDS
            )
            for encoding in ("identity", "gzip, deflate, br, zstd")
        )
        page, sent = plain.read(), packed.read()
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(sent)) == len(page) > 5 * len(sent)
