"""Files that the browser saves hold exactly the numbers and texts they were made from, and say what they are of."""

import csv
import io
import json

import pandas
import pytest

from gpt.ui.common.captions import About, SelectedToken
from gpt.ui.common.downloads import csv_file, json_file

ABOUT = About("Some numbers", "small", "Hello", {"block": 2}, SelectedToken(3, "·=", 796))
ROWS = [['·a, "b"', 0.1, "⏎"], ["line\nbreak", -3e-07, ""], ["é漢", -7, "'"]]


def read(file: dict[str, str]) -> pandas.DataFrame:
    """The file as pandas reads it."""
    return pandas.read_csv(io.BytesIO(file["text"].encode()), keep_default_na=False)


def test_a_csv_file_reads_back_as_it_was_written():
    file = csv_file(ABOUT, ["token", "value", "text"], ROWS)
    assert (file["name"], file["type"]) == ("some-numbers_small_block2_token3.csv", "text/csv")
    assert read(file)[["token", "value", "text"]].to_numpy().tolist() == ROWS


def test_each_row_says_what_it_is_of():
    found = read(csv_file(ABOUT, ["token", "value", "text"], ROWS))
    said = ["model", "prompt", "selected block", "selected token number", "selected token", "selected token id"]
    assert list(found.columns) == [*said, "token", "value", "text"]
    assert found[said].to_numpy().tolist() == [["small", "Hello", 2, 3, "·=", 796]] * 3


def test_a_csv_file_begins_with_the_mark_that_tells_excel_its_encoding():
    assert csv_file(ABOUT, ["token"], [["é"]])["text"].encode().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
@pytest.mark.parametrize("where", ["cell", "header", "prompt"])
def test_no_text_is_a_formula_to_a_spreadsheet(text, where):
    about = About("Numbers", prompt=text if where == "prompt" else "a")
    file = csv_file(about, [text if where == "header" else "b"], [[text if where == "cell" else "c"]])
    cells = [cell for row in csv.reader(io.StringIO(file["text"][1:], newline="")) for cell in row]
    assert len(cells) == 4
    assert all(cell[0].isalpha() or cell[0] in "'⇥⏎" for cell in cells)


def test_a_negative_number_stays_a_number():
    assert read(csv_file(ABOUT, ["value"], [[-0.5], [-7.25]]))["value"].tolist() == [-0.5, -7.25]


def test_a_json_file_reads_back_as_it_was_written():
    file = json_file(ABOUT, {"rows": ROWS, "probability": 0.1})
    assert file["name"] == "some-numbers_small_block2_token3.json"
    saved = json.loads(file["text"])
    assert {name: saved[name] for name in ("rows", "probability")} == {"rows": ROWS, "probability": 0.1}
    assert (saved["what"], saved["model"]) == ("Some numbers", "small")


def test_a_json_file_shows_its_texts_as_they_are():
    assert '"é⏎"' in json_file(ABOUT, {"text": "é⏎"})["text"]
