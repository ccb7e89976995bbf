"""The report in a real browser, on a desk, a tablet and a telephone: nothing is cut or out of reach."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories import failed_run, hazard_run, loaded_run, rich_run
from pypdf import PdfReader
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from bench.analyse.conclude import conclude
from bench.report.write import NO_PICTURES, write_report

RUNS = {"rich": rich_run, "loaded": loaded_run, "hazard": hazard_run, "failed": failed_run}
TELEPHONE, TABLET, DESK = 390, 800, 1400
ARGUMENTS = (
    "headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-sync", "hide-scrollbars",
    "disable-background-networking", "disable-component-update",
)  # fmt: skip
CUT = """
const bad = [], width = document.documentElement.clientWidth
if (document.documentElement.scrollWidth > width) bad.push('the page scrolls sideways')
for (const svg of document.querySelectorAll('main svg')) {
  const box = svg.getBoundingClientRect(), holder = svg.closest('.scroll') || svg.parentElement
  if (box.width && box.right > holder.getBoundingClientRect().right + 1)
    bad.push('a figure is cut: ' + svg.getAttribute('aria-label'))
}
return bad
"""
SQUEEZED = """
return [...document.querySelectorAll('main td')]
  .filter(cell => cell.offsetWidth && cell.innerText.trim().length > 4 && cell.offsetWidth < 40)
  .map(cell => cell.innerText)
"""
OUT_OF_REACH = """
return [...document.querySelectorAll('nav a:not(.sub)')].filter(a => !a.offsetWidth).map(a => a.innerText)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    programs = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not all(programs):
        assert not os.environ.get("CI"), "the check installs chromium and chromium-driver"
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = str(programs[0])
    for argument in ARGUMENTS:
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the page of each run."""
    top = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(NO_PICTURES)
        for name, make in RUNS.items():
            write_report(conclude(make()), top / name)
    return top


def seen(browser: Any, page: Path, width: int, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == TELEPHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": preferred})
    browser.get(page.as_uri())


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_cut_or_out_of_reach(name: str, browser: Any, pages: Path) -> None:
    page = pages / name / "report.html"
    for width in (DESK, TABLET):
        for scheme in ("light", "dark"):
            seen(browser, page, width, scheme)
            assert browser.execute_script(CUT) == [], (width, scheme)
    seen(browser, page, TELEPHONE)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= TELEPHONE
    assert browser.execute_script(SQUEEZED) == []
    assert browser.execute_script(OUT_OF_REACH) == []
    assert browser.get_log("browser") == []


AXE = Path(__file__).parents[1] / "real_tools" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = """
const done = arguments[arguments.length - 1]
axe.run(document, {resultTypes: ['violations']}).then(result => done(result.violations
  .filter(violation => ['serious', 'critical'].includes(violation.impact))
  .map(violation => violation.id + ': ' + violation.nodes.slice(0, 3).map(node => node.html).join(' | '))))
"""


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_and_weak_eyes_can_read_it(name: str, scheme: str, browser: Any, pages: Path) -> None:
    if not AXE.exists():
        assert os.environ.get("BENCH_TEST_TOOLS") != "all", "axe-core is not installed"
        pytest.skip("axe-core is not installed: make tools")
    seen(browser, pages / name / "report.html", DESK, scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    assert browser.execute_async_script(GRAVE) == []


NOWHERE = """
return [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute('href'))
  .filter(href => !document.getElementById(href.slice(1)))
"""


@pytest.mark.parametrize("name", RUNS)
def test_every_link_within_the_page_leads_somewhere(name: str, browser: Any, pages: Path) -> None:
    seen(browser, pages / name / "report.html", DESK)
    assert browser.execute_script(NOWHERE) == []
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(thing => thing.id)")
    assert len(ids) == len(set(ids))


UNREACHED = """
const controls = [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
return controls.filter(control => control.offsetParent && control.tabIndex < 0)
  .map(control => control.outerHTML)
"""


def test_the_keyboard_reaches_every_control_and_walks_the_findings(browser: Any, pages: Path) -> None:
    seen(browser, pages / "rich" / "report.html", DESK)
    assert browser.execute_script(UNREACHED) == []
    body = browser.find_element(By.TAG_NAME, "body")
    first, second, *_ = [
        card.get_attribute("id") for card in browser.find_elements(By.CSS_SELECTOR, ".finding[id]")
    ]
    body.send_keys("jj")
    assert browser.execute_script("return location.hash") == f"#{second}"
    body.send_keys("k")
    assert browser.execute_script("return document.activeElement.id") == first
    body.send_keys("/")
    assert browser.execute_script("return document.activeElement.id") == "search"


def test_a_link_to_a_statement_opens_it(browser: Any, pages: Path) -> None:
    seen(browser, pages / "rich" / "report.html", DESK)
    opened = "return document.querySelector('details.st[id]:not(.hidden)').open"
    assert not browser.execute_script(opened)
    browser.execute_script("location.hash = document.querySelector('details.st[id]:not(.hidden)').id")
    WebDriverWait(browser, 10).until(lambda driver: driver.execute_script(opened))


def test_each_way_out_can_be_copied(browser: Any, pages: Path) -> None:
    seen(browser, pages / "rich" / "report.html", DESK)
    count = "return document.querySelectorAll(arguments[0]).length"
    scripts = browser.execute_script(count, ".finding pre")
    assert browser.execute_script(count, ".finding .copy + pre") == scripts > 0


def test_the_theme_that_was_chosen_stays(browser: Any, pages: Path) -> None:
    page = pages / "rich" / "report.html"
    seen(browser, page, DESK)
    browser.find_element(By.ID, "theme").click()
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
    seen(browser, page, DESK)
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
    browser.execute_script("localStorage.clear()")


@pytest.mark.parametrize("name", RUNS)
def test_no_printed_page_is_blank(name: str, browser: Any, pages: Path) -> None:
    seen(browser, pages / name / "report.html", DESK)
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    texts = [page.extract_text().strip() for page in PdfReader(io.BytesIO(printed)).pages]
    assert texts
    assert all(len(text) > 20 for text in texts)
    assert "Rehearsal of" in texts[0]
