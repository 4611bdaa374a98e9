"""Files that the browser saves hold exactly the numbers and texts they were made from."""

import csv
import io
import json

from gpt.ui.common.downloads import csv_file, json_file

ROWS = [['·a, "b"', "0.1", "⏎"], ["line\nbreak", "-3e-07", ""]]


def test_a_csv_file_reads_back_as_it_was_written():
    file = csv_file("numbers", ["token", "value", "text"], ROWS)
    assert file["name"] == "numbers.csv"
    assert list(csv.reader(io.StringIO(file["text"], newline=""))) == [["token", "value", "text"], *ROWS]


def test_a_json_file_reads_back_as_it_was_written():
    file = json_file("run", {"rows": ROWS, "probability": 0.1})
    assert file["name"] == "run.json"
    assert json.loads(file["text"]) == {"rows": ROWS, "probability": 0.1}


def test_a_json_file_shows_its_texts_as_they_are():
    assert '"é⏎"' in json_file("run", ["é⏎"])["text"]
