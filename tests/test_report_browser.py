"""The HTML report in a real browser, where one is installed: anchors, phone width, dark mode, no complaint."""

import pytest
from browser import browser, executable
from samples import digest, hostile_entry

from bot.posts import report
from bot.texts import Texts

pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium or Chrome found: apt-get install chromium")


@pytest.fixture(scope="module")
def page():
    with browser(executable()) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    made = {}
    for language in ("en", "zh"):
        words = (hostile_entry("w" * 150), hostile_entry("/".join(["路径"] * 60), 1))
        made["unbroken", language] = folder / f"unbroken.{language}.html"
        unbroken = report.html([digest("empty", language, entries=words)], Texts(language))
        made["unbroken", language].write_text(unbroken, encoding="utf-8")
        for kind in ("normal", "hostile", "empty"):
            made[kind, language] = folder / f"{kind}.{language}.html"
            made[kind, language].write_text(report.html([digest(kind, language)], Texts(language)), encoding="utf-8")
    return made


@pytest.mark.parametrize("kind", ["normal", "hostile", "empty"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_shown_without_complaint_and_asks_nobody(page, files, kind, language):
    page.open(files[kind, language])
    assert page.run("document.documentElement.lang").startswith(language)
    assert page.run("document.querySelectorAll('h1').length") == 1
    assert page.complaints == []


@pytest.mark.parametrize("kind", ["normal", "hostile", "unbroken"])
@pytest.mark.parametrize("width", [320, 360, 390, 700, 720, 1120, 1280])
def test_nothing_is_wider_than_the_page(page, files, kind, width):
    page.open(files[kind, "zh"], width=width)
    assert page.run("document.documentElement.scrollWidth") <= width
    rightmost = """Math.max(...[...document.querySelectorAll('main *, header *')]
        .filter(e => !e.closest('thead, svg *')).map(e => e.getBoundingClientRect().right))"""
    assert page.run(rightmost) <= width


@pytest.mark.parametrize("kind", ["normal", "hostile"])
def test_every_anchor_leads_somewhere(page, files, kind):
    page.open(files[kind, "en"])
    dead = """[...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href').slice(1))
              .filter(id => !document.getElementById(decodeURIComponent(id)))"""
    assert page.run(dead) == []
    assert page.run("document.querySelectorAll('nav a[href^=\"#\"]').length") > 3
    top = page.run("(() => { const a = [...document.querySelectorAll('nav a')].pop(); a.click(); return scrollY })()")
    assert page.run("scrollY") >= top
    assert page.run("scrollY") > 0


def test_colours_change_with_the_scheme_and_stay_readable(page, files):
    contrast = """(() => {
      const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
        .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
        return .2126*v[0] + .7152*v[1] + .0722*v[2] };
      const under = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$|transparent/.test(c)) return c }
        return getComputedStyle(document.documentElement).backgroundColor };
      return Math.min(...[...document.querySelectorAll('h1,h2,h3,h4,h5,p,td,th,li,a,dd,dt,code')]
        .filter(e => e.offsetParent && e.textContent.trim())
        .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(under(e))].sort((x, y) => y - x);
          return (a + .05) / (b + .05) })) })()"""
    backgrounds = set()
    for scheme in ("light", "dark"):
        page.open(files["normal", "en"], scheme=scheme)
        assert page.run(contrast) >= 4.5  # WCAG 2.1, level AA, text of normal size
        backgrounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == 2


def test_the_keyboard_reaches_the_skip_link_first(page, files):
    page.open(files["normal", "en"])
    page.press("Tab")
    assert page.run("document.activeElement.getAttribute('href')").startswith("#")
    assert page.run("document.activeElement.getBoundingClientRect().left >= 0")
    assert page.run("getComputedStyle(document.activeElement).outline").endswith("solid 2px")
    page.press("Enter")
    assert page.run("location.hash") == "#main"


@pytest.mark.parametrize("width", [390, 1280])
def test_every_anchor_brings_its_place_onto_the_screen(page, files, width):
    page.open(files["normal", "zh"], width=width)
    lost = """[...document.querySelectorAll('a[href^="#"]')].filter(a => {
        location.hash = a.hash;
        const { top } = document.querySelector(':target').getBoundingClientRect();
        return top < -1 || top > innerHeight }).map(a => a.hash)"""
    assert page.run(lost) == []


def test_the_policy_refuses_what_was_put_in_later(page, files, tmp_path):
    added = (
        "<script>document.title='run'</script><img src='https://evil.example/i'><p id=p style='color:red'>p</p></main>"
    )
    file = tmp_path / "tampered.html"
    file.write_text(files["normal", "en"].read_text(encoding="utf-8").replace("</main>", added), encoding="utf-8")
    page.open(file)
    assert page.run("document.title") == "Daily report (2026-02-18)"
    assert page.run("getComputedStyle(p).color === getComputedStyle(document.body).color")
    assert len([c for c in page.complaints if "Content Security Policy" in c]) == 3


@pytest.mark.parametrize("width", [360, 1280])
def test_a_screen_reader_finds_the_table_and_the_pictures_at_every_width(page, files, width):
    page.open(files["normal", "en"], width=width)
    told = page.told()
    roles = [role for role, _, _ in told]
    assert (roles.count("row"), roles.count("rowheader")) == (30, 29)
    pictures = [(name, description.split(", ")[0]) for role, name, description in told if role in {"image", "img"}]
    assert pictures == [
        ("Commits by importance", "High 4"),
        ("Commits by hour", "00 1"),
        ("Changed lines by component, without generated files", "src/config 1,233"),
    ]


def test_on_paper_nothing_scrolls_and_nothing_is_left_to_press(page, files):
    page.open(files["normal", "en"], scheme="dark", media="print")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.querySelector('.back')).display") == "none"
    assert page.run("getComputedStyle(document.querySelector('.contents')).overflow") == "visible"
