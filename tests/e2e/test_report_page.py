"""The report in a real browser, on a desk, a tablet and a telephone: nothing is cut or out of reach."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories import failed_run, hazard_run, loaded_run, rich_run
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

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


def seen(browser: Any, page: Path, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == TELEPHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())


@pytest.mark.parametrize("name", RUNS)
def test_newcomer_09_screenshots(name: str, browser: Any, pages: Path) -> None:
    page = pages / name / "report.html"
    for width in (DESK, TABLET):
        seen(browser, page, width)
        assert browser.execute_script(CUT) == [], width
    seen(browser, page, TELEPHONE)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= TELEPHONE
    assert browser.execute_script(SQUEEZED) == []
    assert browser.execute_script(OUT_OF_REACH) == []
    assert browser.get_log("browser") == []
