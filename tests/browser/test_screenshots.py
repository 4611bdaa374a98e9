"""The picture of a link is the same each time it is taken; the README's pictures show what the page shows today."""

import pytest

from tests.screenshots import FOLDER, SHOTS, Shot, in_light, take, words_shown
from tests.serving import ROOT

LINK = "?prompt=Every+effort+moves+you&length=3&seed=123&tab=inside&view=Logit+lens"


def test_the_same_link_gives_the_same_bytes_twice(chromium, app):
    first, again = (take(chromium, app, Shot("lens", LINK)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("link", "opened"),
    [
        ("?tab=map", "?tab=map&__theme=light"),
        ("http://127.0.0.1:7860/?tab=map&__theme=dark", "?tab=map&__theme=dark"),
        ("?tab=map#p=abc", "?tab=map&__theme=light#p=abc"),
        ("#p=abc", "?__theme=light#p=abc"),
    ],
)
def test_a_link_is_opened_as_it_is_and_light_where_it_names_no_theme(link, opened):
    assert in_light(link) == opened


def test_the_readme_shows_each_picture_and_each_has_its_link():
    names = {shot.name for shot in SHOTS}
    assert names == {path.stem for path in FOLDER.glob("*.png")} == set(words_shown())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"assets/screenshots/{name}.png" in readme for name in names)


@pytest.mark.long
@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_no_picture_of_the_readme_is_older_than_what_it_shows(chromium, bundled_app, shot):
    again = f"make it again with tests/screenshots.py {shot.name}"
    assert take(chromium, bundled_app, shot).words == words_shown()[shot.name], again
