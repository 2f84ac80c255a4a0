"""One HTML file, whole or not at all."""

import base64

import pandas as pd
import pytest

from hebbax.errors import FitError
from hebbax.report.page import Section, write


@pytest.fixture
def section(tmp_path):
    picture = tmp_path / "p.png"
    picture.write_bytes(b"not really a picture")
    table = pd.DataFrame(
        {"mean": [0.5, -12.0], "word": ["a<b", "yes"], "n": [3.0, 4.0]}, ["u", "v"]
    )
    return Section(
        "S", ["<text>"], ["careful"], [("caption", table)], [("seen", picture)], [("unfold", table)]
    )


def test_a_page_holds_everything_it_shows(tmp_path, section):
    path = tmp_path / "report.html"
    write(path, "Title", [section], "seed: 1")
    text = path.read_text()
    assert base64.b64encode(b"not really a picture").decode() in text
    assert 'src="http' not in text
    assert "<link" not in text
    for shown in (
        "&lt;text&gt;",
        "careful",
        "a&lt;b",
        "seed: 1",
        "<td>0.5</td>",
        "<td>-12.0</td>",
        "<td>3</td>",
        "<details><summary>unfold</summary><table>",
    ):
        assert shown in text
    assert text.count("<td>3</td>") == 2
    assert not list(tmp_path.glob(".*unfinished*"))


def test_a_folder_that_refuses_keeps_the_earlier_page(tmp_path, section):
    path = tmp_path / "report.html"
    path.write_text("earlier")
    (tmp_path / ".report.hebbax-unfinished.html").symlink_to("/dev/full")
    with pytest.raises(FitError) as error:
        write(path, "Title", [section], "")
    assert str(error.value) == (
        f"report.html: could not be written to {tmp_path} (No space left on device); what was "
        "there before is kept."
    )
    assert path.read_text() == "earlier"
