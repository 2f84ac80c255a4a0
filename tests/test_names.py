"""Names of models, animals and alternatives come out as they went in: figures, terminal, HTML."""

import inspect
import io
import itertools
import warnings
from html.parser import HTMLParser

import jax
import made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpyro.infer import Predictive

from hebbax import figures
from hebbax.check import predictive
from hebbax.check.comparison import compare
from hebbax.check.profile import profile
from hebbax.cli.console import CONSOLE, print_table, say, score_table, table
from hebbax.cli.progress import bars
from hebbax.data import Record, from_animals
from hebbax.figures.style import literal
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import to_inference_data
from hebbax.reporting import page
from hebbax.validation.names import flaw, read_as
from hebbax.validation.quoting import plain, presentable

NASTY = ["$x_{$", "a$b$", r"\frac{1}", "[/x]", "[bold]red", ":smile:", "<script>alert(1)</script>",
         '"><img src=x onerror=y>', "&amp;", "{task} {0} %s", "漢字", "e\u0301mile", "'#,;|`"]  # fmt: skip
TEXT = st.sampled_from(NASTY) | (
    st.text(
        st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=40
    )
    .map(str.strip)
    .filter(bool)
)
MODEL = "a$b_{$ [x] <i> :ok:"


def seen(figure):
    """Return the texts of a figure once it is drawn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.canvas.draw()
    return [text for text in figure.findobj(Text) if text.get_text()]


def names_in(figure, names):
    """Return the names that a figure shows, each of them as it stands."""
    shown = [text for text in seen(figure) if any(name in text.get_text() for name in names)]
    assert not any(text.get_parse_math() for text in shown)
    return {name for name in names if any(name in text.get_text() for text in shown)}


@pytest.fixture(scope="module")
def stored():
    rng = np.random.default_rng(0)
    animals = [Record(name, rng.integers(0, 2, 30), rng.integers(0, 2, 30)) for name in NASTY[:4]]
    sessions = from_animals(animals, ["$_{$ [/A]", "<b>"], "tr$i_{als.csv")
    model = build_model(ModelSpec(MODEL, ("x r", "w")), sessions)
    prior = Predictive(model, num_samples=200)(jax.random.PRNGKey(0), choice=None)
    draws = {
        name: np.asarray(values).reshape(2, 100, *values.shape[1:])
        for name, values in prior.items()
        if name != "choice"
    }
    statistics = made.statistics((2, 100))
    return sessions, to_inference_data(made.KEY, model, draws, statistics, made.PROVENANCE)


def test_every_function_that_returns_a_figure_draws_names_as_they_stand():
    kinds = {"Figure": Figure, "or none": Figure | None}
    drawing = [
        f
        for f in map(figures.__dict__.get, figures.__all__)
        if inspect.signature(f).return_annotation in kinds.values()
    ]
    assert len(drawing) >= 15
    assert [f.__name__ for f in drawing if not hasattr(f, "__wrapped__")] == []


@pytest.mark.filterwarnings("ignore:.*")
def test_pictures_of_a_posterior_show_names_as_they_are(stored):
    sessions, posterior = stored
    figures.use_file_backend()
    forest = figures.forest(posterior)
    assert names_in(forest, NASTY[:4]) == set(NASTY[:4])
    for draw in (figures.forgetting_term, figures.pairs, figures.sampler):
        names_in(draw(posterior), [*NASTY[:4], MODEL])
    compared = compare({MODEL: posterior, "other [/x]": posterior})
    assert names_in(figures.comparison(compared.choices), [MODEL, "other [/x]"]) == {
        MODEL,
        "other [/x]",
    }
    checked = predictive.check(jax.random.PRNGKey(0), posterior, predictive.Settings(replicates=4))
    drawn = figures.predictive(checked)
    assert names_in(drawn["choice curves"](), NASTY[:4]) == set(NASTY[:4])
    assert "<b>" in names_in(drawn["checks"](), ["<b>"])
    surface = profile(sessions, ModelSpec("m", ("x r", "w")), NASTY[0], ("x r", "w"))
    names_in(figures.profile(surface), NASTY)
    plt.close("all")


@settings(max_examples=25, deadline=None)
@given(TEXT, TEXT)
def test_any_name_is_drawn_as_it_stands(one, two):
    @literal
    def draw():
        # Wide enough for the longest label and the powers of ten.
        figure, ax = plt.subplots(figsize=(12, 3), layout="constrained")
        ax.plot([1, 10, 100], [1e-9, 2e-9, 3e-9], label=f"of {one}")
        ax.set(title=one, xlabel=two, xscale="log")
        ax.set_yticks([1e-9, 3e-9], labels=[one, two])
        ax.legend()
        return figure

    figures.use_file_backend()
    figure = draw()
    formulas = {text.get_text(): text.get_parse_math() for text in seen(figure)}
    assert [formulas[name] for name in (one, two, f"of {one}")] == [False] * 3
    # Powers of ten are matplotlib's own, and formulas: as many of them as long names leave room for.
    powers = [of for text, of in formulas.items() if text.startswith(r"$\mathdefault{10^{")]
    assert powers
    assert all(powers)
    plt.close(figure)


def test_a_long_name_leaves_room_for_the_picture(tmp_path):
    @literal
    def draw():
        figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
        ax.set_yticks([0, 1], labels=["x" * 300, "y" * 100])
        return figure

    figures.use_file_backend()
    figure = draw()
    assert f"{'x' * 20}…{'x' * 19}" in [text.get_text() for text in seen(figure)]
    figures.save(figure, tmp_path / "long.png")


def test_characters_without_a_glyph_are_boxes_without_a_warning(tmp_path):
    figure, ax = plt.subplots()
    ax.set_title("漢字 \U0001f986")
    figures.save(figure, tmp_path / "boxes.png")
    assert (tmp_path / "boxes.png").stat().st_size > 1000


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_any_name_is_printed_as_it_stands(name):
    with CONSOLE.capture() as said:
        CONSOLE.width = 400
        say(name, f"is {name}.")
        CONSOLE.print(f"of {name}:")
        print_table(table(name, pd.DataFrame({f"c{name}": [1.0]}, index=[f"i{name}"])))
    text = said.get()
    for shown in (f"{name}  is {name}.", f"of {name}:", f"c{name}", f"i{name}"):
        assert shown in text


def test_progress_and_comparison_print_names_as_they_stand(stored, capsys, monkeypatch):
    monkeypatch.setattr(CONSOLE, "_force_terminal", True)
    monkeypatch.setattr(CONSOLE, "_color_system", None)
    CONSOLE.width = 400
    with bars() as add:
        for name in NASTY:
            add(name)("fitting", 1, 2)
    compared = compare({MODEL: stored[1], "[/x]": stored[1]})
    print_table(score_table(compared.choices))
    out = capsys.readouterr().out
    assert [name for name in (*NASTY, MODEL) if name not in out] == []


class Reader(HTMLParser):
    """What a browser makes of a page: its tags, the descriptions of its pictures, its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.alts, self.text = set(), [], io.StringIO()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.alts += [value for name, value in attrs if name == "alt"]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.text.write(f"{data}\0")


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_any_name_is_text_in_a_page(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("page")
    (folder / "p.png").write_bytes(b"picture")
    frame = pd.DataFrame({f"c{name}": [name, 1.0]}, index=pd.Index([f"i{name}", "x"], name=name))
    section = page.Section(
        name,
        [
            page.Text(f"t{name}"),
            page.Items(f"l{name}", [f"w{name}"]),
            page.Table(f"k{name}", frame, f"{name}.csv"),
            page.Picture(f"a{name}", folder / "p.png", f"h{name}"),
        ],
        f"s{name}",
        folded=True,
    )
    page.write(folder / "r.html", name, [section], f"# </pre>{name}")
    reader = Reader()
    reader.feed((folder / "r.html").read_text(encoding="utf-8"))
    assert reader.tags == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "nav", "a", "section", "p",
        "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "img", "figcaption", "pre",
        "main", "details", "summary", "div", "span", "b", "ol", "ul", "li", "button", "dialog", "form",
        "script", "dl", "dt", "dd",
    }  # fmt: skip
    assert reader.alts == [f"a{name}", ""]
    shown = reader.text.getvalue().split("\0")
    for text in (
        name,
        f"t{name}",
        f"l{name}",
        f"w{name}",
        f"k{name}",
        f"s{name}",
        f"c{name}",
        f"i{name}",
        f"# </pre>{name}",
    ):
        assert text in shown


def test_what_cannot_be_seen_and_broken_utf8_are_not_presentable():
    assert not any(map(presentable, "\0\x1b\n\x7f\u2028\u2029\udce9\u202e\u200b\ufeff\u2066\xad"))
    assert all(map(presentable, "a$<漢 é"))
    assert plain("fly\u202e1") == "fly\\u202e1"


def test_a_name_that_is_a_number_is_read_as_pandas_reads_it():
    """`read_as` against pandas itself, for every short text of digits, signs, points and e."""
    names = {
        "".join(parts) for n in range(1, 5) for parts in itertools.product("+-0127.e", repeat=n)
    } | {"inf", "-inf", "Infinity", "true", "TRUE", "True", "false", "0.1234567", "123456789.123"}
    for name in sorted(names):
        found = pd.read_csv(io.StringIO(f"animal\n{name}\n"), dtype=None)["animal"][0]
        assert read_as(name) == str(found), name


@pytest.mark.parametrize("name", ["7", "-1", "0.5", "0", "True", "1.0", "a1e5", "1_0", "1-2"])
def test_names_of_numbers_as_they_are_written_are_taken(name):
    assert flaw(name) is None
