"""The HTML report in a real browser, where one is installed: anchors, phone width, dark mode, no complaint."""

import pytest
from browser import browser, executable
from samples import digest

from bot import report
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
    for kind in ("normal", "hostile", "empty"):
        for language in ("en", "zh"):
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


@pytest.mark.parametrize("kind", ["normal", "hostile"])
@pytest.mark.parametrize("width", [320, 360, 390, 1280])
def test_nothing_is_wider_than_the_page(page, files, kind, width):
    page.open(files[kind, "zh"], width=width)
    assert page.run("document.documentElement.scrollWidth") <= width


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
