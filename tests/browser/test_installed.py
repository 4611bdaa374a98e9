"""A browser may install the page as a program with a window, a name and an icon of its own."""

import json

from gpt.version import APP


def test_chromium_can_install_the_page(open_page):
    page = open_page("?length=4")
    browser = page.context.new_cdp_session(page)
    manifest = browser.send("Page.getAppManifest")
    assert manifest["errors"] == []
    said = json.loads(manifest["data"])
    assert said["name"] == APP
    assert said["display"] == "standalone"
    problems = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # The tests' window keeps nothing, so that it would not install anything.
    assert [each["errorId"] for each in problems if each["errorId"] != "in-incognito"] == []
    icon = page.request.get(manifest["url"].replace("manifest.json", said["icons"][0]["src"].lstrip("/")))
    assert icon.headers["content-type"].startswith("image/svg+xml")
    assert "<svg" in icon.text()
