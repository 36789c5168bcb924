"""The page, and what a user does with it in a browser."""

import json
import shutil
import time
from pathlib import Path
from threading import Event

import pytest

pytest.importorskip("gradio", reason="Gradio is not installed")

from hf_lstm.demo.interface import MAX_CHARACTERS, SHOWN_WORDS, build_interface, draw, launch, received
from hf_lstm.demo.live_text import LiveText, Prediction, update_text
from hf_lstm.demo.readers import build_demo, load_reader

CHROMIUM = shutil.which("chromium")


def test_panel_has_scores_words_and_a_chart(forward):
    reader = load_reader(forward)
    live = update_text(reader, None, "a good <film>")
    html = draw(reader, live)
    assert f"forward: {live.prediction.label}" in html and "&lt;film&gt;" in html and "<film>" not in html
    assert all(f"{score:.4f}" in html for score in live.prediction.scores.values())
    before, after = html.index("a</span> "), html.index("good</span> ")
    assert before < after and html.count("<rect") == 3


def test_long_text_shows_the_last_words(forward):
    reader = load_reader(forward)
    html = draw(reader, update_text(reader, None, "film " * 1_000 + "end"))
    assert "801 words before" in html and html.count("film</span>") == SHOWN_WORDS - 1 and "word 1,001" in html
    assert len(html) < 100_000


def test_half_an_emoji_of_the_browser_can_be_shown(forward):
    """JSON can have a lone surrogate, for example where the text box cuts a text."""
    assert received("a 😀 \ud83d") == "a 😀 ?" and len(received("a" * 2 * MAX_CHARACTERS)) == MAX_CHARACTERS
    reader = load_reader(forward)
    page = build_interface([reader], explain=lambda text: [text])
    update, explain, _ = [block.fn for block in page.fns.values()]
    (live,), panel, _ = update("a \ud83d", [None])
    assert live.prediction == update_text(reader, None, "a ?").prediction and panel.encode()
    assert explain("a \ud83d") == ("a \ud83d", ["a ?"])


def test_label_below_its_threshold_and_regression(forward):
    reader = load_reader(forward)
    assert "no label reaches its threshold" in draw(reader, LiveText(Prediction(None, {"bad": 0.6, "good": 0.4})))
    assert "bad, good" in draw(reader, LiveText(Prediction(["bad", "good"], {"bad": 0.6, "good": 0.7})))
    reader.is_regression = True
    html = draw(reader, LiveText(Prediction(None, {"bad": -2.5, "good": 0.4})))
    assert "-2.5000" in html and "width" not in html and "<div></div>" not in html


@pytest.fixture(scope="module")
def address(forward, both_ways):
    page = build_demo([forward, both_ways])
    _, url, _ = launch(page, prevent_thread_lock=True, quiet=True)
    yield url
    page.close()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page on a phone. It must not load anything from other servers."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    elsewhere = []
    page.on("request", lambda request: elsewhere.append(request.url) if "//127.0.0.1" not in request.url else None)
    page.goto(address)
    page.wait_for_selector("#text textarea")
    yield page
    assert [url for url in elsewhere if url.startswith("http")] == []
    page.close()


def wait_for(page, text: str, column: int = 0) -> None:
    page.wait_for_function(
        "([column, text]) => document.querySelector(`#scores-${column}`).innerText.includes(text)", arg=[column, text]
    )


def score_of(reader, text: str) -> str:
    return f"{max(reader.predict([text])[0].scores.values()):.4f}"


@pytest.mark.slow
def test_scores_change_with_every_word_from_the_keyboard(page, forward, both_ways):
    readers = [load_reader(forward), load_reader(both_ways)]
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"  # the text box has the focus
    typed, seen = "", set()
    for word in ("a", " good", " film"):
        page.keyboard.type(word, delay=20)
        typed += word
        for column, reader in enumerate(readers):
            wait_for(page, score_of(reader, typed), column)
            seen.add((column, score_of(reader, typed)))
    assert len(seen) == 6
    assert page.locator("#scores-0 rect").count() == 3
    page.keyboard.press("Tab")  # to the button
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('#contributions-0 figure') && document.querySelector('#contributions-1 figure')"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 22, 22)")])
def test_panels_have_the_mode_of_the_page_not_of_the_system(page, address, mode, background):
    """The Hub sets the mode of a Space in its address. White text on a white panel could not be read."""
    page.emulate_media(color_scheme="dark" if mode == "light" else "light")
    page.goto(f"{address}?__theme={mode}")
    page.wait_for_selector("#scores-0 figure")
    assert page.evaluate("document.body.classList.contains('dark')") == (mode == "dark")
    found = page.evaluate("getComputedStyle(document.querySelector('#scores-0 figure')).backgroundColor")
    assert found == background


@pytest.mark.slow
def test_text_that_is_written_from_the_right_starts_there(page, forward):
    text = "הסרט טוב"
    page.locator("#text textarea").fill(text)
    wait_for(page, score_of(load_reader(forward), text))
    paragraph, word = (page.locator(f"#scores-0 {name}").first.bounding_box() for name in ("p", "p span"))
    assert word["x"] + word["width"] == pytest.approx(paragraph["x"] + paragraph["width"], abs=2)


@pytest.mark.slow
def test_explanation_of_an_earlier_text_is_not_shown(page, forward):
    started, ready = Event(), Event()

    def explain(text: str) -> list[str]:
        started.set()
        ready.wait(30)
        return [f"of {text}"]

    demo = build_interface([load_reader(forward)], explain)
    _, url, _ = launch(demo, prevent_thread_lock=True, quiet=True)
    page.goto(url)
    page.wait_for_selector("#text textarea")
    for texts in (["good", "bad film"], ["a book"]):  # with a change while it is explained, and without one
        started.clear()
        ready.clear()
        for text in texts:
            page.locator("#text textarea").fill(text)
            wait_for(page, score_of(load_reader(forward), text))
            if text == texts[0]:
                page.locator("#explain").click()
                assert started.wait(10)
        ready.set()
        page.wait_for_timeout(1_000)
        assert page.locator("#contributions-0").inner_text().strip() == ("of a book" if len(texts) == 1 else "")
    demo.close()


@pytest.mark.slow
def test_long_text_does_not_block_the_page(page, forward):
    text = "a good film and the plot " * 1_000
    box = page.locator("#text textarea")
    box.fill(text)
    assert len(box.input_value()) == MAX_CHARACTERS
    wait_for(page, f"word {len(text[:MAX_CHARACTERS].split()):,}")
    start = time.monotonic()
    box.fill("bad")
    wait_for(page, score_of(load_reader(forward), "bad"))
    assert time.monotonic() - start < 5


@pytest.mark.slow
def test_file_is_uploaded_and_the_scored_file_downloaded(page, forward, tmp_path):
    source = tmp_path / "reviews.jsonl"
    rows = [{"text": "a good film", "id": 1}, {"text": None, "id": 2}, {"text": "a bad book", "id": 3}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page.set_input_files("#upload input[type=file]", source)
    page.wait_for_function("document.querySelector('#note')?.innerText.includes('3 rows scored, 1 row without a text')")
    with page.expect_download() as download:
        page.locator("#scored a[download]").first.click()
    assert download.value.suggested_filename == "reviews-forward.jsonl"
    scored = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    expected = load_reader(forward).predict(["a good film", "a bad book"])
    assert [{"text": row["text"], "id": row["id"]} for row in scored] == rows
    assert [row["predicted_label"] for row in scored] == [expected[0].label, None, expected[1].label]


@pytest.mark.slow
def test_unusable_file_is_one_sentence(page, tmp_path):
    source = tmp_path / "numbers.csv"
    source.write_text("a,b\n1,2\n")
    page.set_input_files("#upload input[type=file]", source)
    page.wait_for_function("document.body.innerText.includes('numbers.csv')")
    page.wait_for_selector(".toast-body")
    assert "column" in page.locator(".toast-body").inner_text()
