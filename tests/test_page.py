"""One HTML file: what it holds, and that it is whole or not at all; and in a browser, that it sorts,
folds, enlarges, fits the screen, and asks for nothing outside itself."""

import base64
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from browser import visit

from hebbax import figures
from hebbax.errors import FitError
from hebbax.figures.style import DPI
from hebbax.reporting.page import Beside, Items, Picture, Section, Table, Text, Tone, Trials, write
from hebbax.runs.attempts import Failed

WIDTHS = (400, 1200)

HOSTILE = "<img src=x onerror=alert(1)>"

TABLE = pd.DataFrame(
    {"median": [0.5, -12.0, np.nan], "5 %": [0.0, -13.0, np.nan], "95 %": [1.0, np.inf, np.nan],
     "word": ["a<b", "yes", "10 of 12"], "P(< 0)": [0.0004, 0.5, 1.0]},
    pd.Index(["theta w", "fly10", "fly9"], name="value"),
)  # fmt: skip


def animal(shift):
    line = [shift, 500, 1000]
    return {
        "trial": [1, 2, 3], "starts": [2], "choice": [0, None, 1], "reward": [1.0, None, 0.0],
        **{f"{kind}{end}": [line, line] for kind in ("weight", "probability")
           for end in ("", "_low", "_high")},
    }  # fmt: skip


TRIALS = {
    "model": "m", "stimuli": ["left", HOSTILE], "colours": ["#000000", "#D55E00"],
    "units": "log odds", "scale": 1000, "first": "fly2",
    "animals": {"fly1": animal(0), "fly2": animal(100), HOSTILE: animal(200)},
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    """A page with a part of every kind."""
    figures.use_file_backend()
    figure, ax = plt.subplots(figsize=(10, 2))
    ax.plot([0, 1])
    (tmp_path / "figures").mkdir()
    figures.publish(figure, tmp_path / "figures", "a b")
    front = Section(
        "First <&",
        [
            Text("said", Tone.ANSWER),
            Beside([Items("Read", ["from <x>, `--force <y>`"]), Text("careful", Tone.WARNING)]),
            Table("shown", TABLE, "t 1.csv"),
            Table("failed", Failed("This", ValueError("no"))),
            Picture("seen", tmp_path / "figures" / "a b.png", "how to read it"),
            Trials("Animal", TRIALS),
        ],
    )
    folded = Section("m", [Table("unfold", TABLE, folded=True)], "why", folded=True)
    write(tmp_path / "report.html", "Title", [front, folded], "seed: 1")
    return tmp_path / "report.html"


class Reader(HTMLParser):
    """Links, ids and the text of a page by the element that it stands in."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.text, self.inside = [], [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.links += [known[key] for key in ("href", "src") if key in known]
        self.ids += [known["id"]] if "id" in known else []
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if data.strip():
            self.text.setdefault(self.inside[-1] if self.inside else "", []).append(data.strip())


def test_a_page_holds_everything_it_shows_and_links_to_the_files_beside_it(path):
    found = Reader(path.read_text())
    inner = {link for link in found.links if link.startswith("#")}
    assert inner == {f"#{name}" for name in found.ids}
    png = base64.b64encode((path.parent / "figures" / "a b.png").read_bytes()).decode()
    assert {link for link in found.links if not link.startswith("#")} == {
        f"data:image/png;base64,{png}", "figures/a%20b.png", "figures/a%20b.svg", "t%201.csv",
    }  # fmt: skip
    assert found.text["h2"] == ["First <&", "m", "Words", "Where this comes from"]
    assert found.text["pre"] == ["seed: 1"]
    assert "This could not be made (ValueError: no)." in found.text["p"]
    assert found.text["li"][-1] == "from <x>,"
    assert found.text["code"] == ["--force <y>"]
    assert found.text["span"][0] == "shown"
    assert not list(path.parent.glob(".*unfinished*"))


def test_a_table_has_one_column_for_an_interval_and_words_for_what_it_holds(path):
    found = Reader(path.read_text())
    heads = ["value", "median (90 % interval)", "word", "P(below 0)"]
    assert found.text["button"][:4] == heads
    assert found.text["td"][:9] == [
        "0.500 (0.000 to 1.000)", "a<b", "< 0.001",
        "−12.000 (−13.000 to ∞)", "yes", "0.500",
        "–", "10 of 12", "> 0.999",
    ]  # fmt: skip
    assert found.text["abbr"] == ["theta w", "theta w"]
    assert found.text["dt"] == [
        "median (90 % interval)", "P(below 0)", "theta", "nats", "k-hat"
    ]  # fmt: skip


def test_a_folder_that_refuses_keeps_the_earlier_page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("earlier")
    (tmp_path / ".report.hebbax-unfinished.html").symlink_to("/dev/full")
    with pytest.raises(FitError) as error:
        write(path, "Title", [Section("S", [])], "")
    assert str(error.value) == (
        f"report.html: could not be written to {tmp_path} (No space left on device); what was "
        "there before is kept."
    )
    assert path.read_text() == "earlier"


SORT = """
const table = document.querySelector("table.sortable"), out = {};
const names = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent);
for (const [column, clicks] of [[1, 1], [1, 2], [0, 1], [2, 1], [3, 2]]) {
  for (let k = 0; k < clicks; k++) table.tHead.rows[0].cells[column].firstElementChild.click();
  out[`${column} ${clicks}`] = names();
}
return [out, [...table.tHead.rows[0].cells].map(cell => cell.getAttribute("aria-sort"))];
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_on_a_header_sorts_by_its_numbers_or_names(path, width):
    orders, said = visit(path, width, SORT)
    assert orders == {
        "1 1": ["fly10", "theta w", "fly9"],
        "1 2": ["fly10", "theta w", "fly9"],
        "0 1": ["fly9", "fly10", "theta w"],
        "2 1": ["fly9", "theta w", "fly10"],
        "3 2": ["fly9", "fly10", "theta w"],
    }
    assert said == [None, None, None, "descending"]


FOLD = """
const section = document.querySelector("details.section"), out = [section.open];
document.querySelector("nav a[href*='m-2']").click();
await new Promise(done => setTimeout(done, 200));
out.push(section.open, getComputedStyle(document.querySelector("nav")).position);
dispatchEvent(new Event("beforeprint"));
out.push([...document.querySelectorAll("details")].every(own => own.open));
const dialog = document.querySelector("dialog");
document.querySelector("button.zoom").click();
out.push(dialog.open, dialog.querySelector("img").naturalWidth);
out.push(document.documentElement.scrollWidth <= innerWidth, innerWidth);
return out;
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_sections_unfold_pictures_enlarge_and_the_page_fits_the_screen(path, width):
    found = visit(path, width, FOLD)
    assert found == [False, True, "sticky", True, True, 10 * DPI, True, width]


CHOOSE = """
const root = document.querySelector(".trials"), select = root.querySelector("select");
const shown = () => [...root.querySelectorAll(".u-label")].map(label => label.textContent);
const out = [[...select.options].map(option => option.text), select.value];
out.push(root.querySelectorAll("canvas").length, root.querySelectorAll("img").length);
select.selectedIndex = 0;
select.dispatchEvent(new Event("change"));
out.push(root.querySelectorAll("canvas").length, shown().slice(0, 3));
return out;
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_the_trials_of_the_animal_that_is_chosen_are_drawn(path, width):
    names, first, plots, images, again, labels = visit(path, width, CHOOSE)
    assert names == ["fly1", "fly2", HOSTILE]
    assert first == "fly2"
    assert (plots, images, again) == (3, 0, 3)
    assert labels == ["trial", "left, rewarded", "left, not rewarded"]
