"""What a run leaves, opened where it is meant to be opened: reports offline, bundles on another computer."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Console
from tests.browser.reading import epochs_drawn, ready, start_run, visit, wait_epochs, wait_status
from tests.browser.server import Server


def take(page: Page, title: str, folder: Path) -> Path:
    """Press the card with this title under "Take away"."""
    with page.expect_download() as started:
        page.locator(".downloads a", has_text=title).first.click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


@pytest.fixture(scope="module")
def trained(server: Server, browser) -> str:  # type: ignore[no-untyped-def]
    """A finished run of the built-in data."""
    page = browser.new_page()
    run_id = start_run(page, server.url, max_epochs=2)
    wait_status(page, "finished")
    page.close()
    return run_id


def bring(page: Page, server: Server, bundle: Path) -> None:
    visit(page, f"{server.url}/runs")
    page.get_by_text("Import runs").click()
    ready(page)
    page.locator(".import input").set_input_files(bundle)


def test_a_report_opens_without_a_network(
    server: Server, page: Page, trained: str, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    visit(page, f"{server.url}/train?run={trained}")
    report = take(page, "Report (.html)", tmp_path)
    for scheme in ("light", "dark"):
        alone = new_context(offline=True, color_scheme=scheme).new_page()  # its console is watched as well
        asked: list[str] = []
        alone.on("request", lambda request, asked=asked: asked.append(request.url))
        alone.goto(report.as_uri())
        alone.wait_for_selector("html[data-drawn=yes]")
        assert alone.locator(".plot .main-svg").count() >= 5
        expect(alone.get_by_role("heading", name="Settings as executed")).to_be_visible()
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        plot = alone.locator(".plot").first
        plot.hover()
        with alone.expect_download() as saved:
            plot.locator("[data-title^='Save as PNG']").click()
        assert png_width(saved.value.path()) == pytest.approx(180 / 25.4 * 300, abs=4)


def png_width(path: Path) -> int:
    return struct.unpack(">I", path.read_bytes()[16:20])[0]


def test_a_figure_is_saved_at_print_size(server: Server, page: Page, trained: str) -> None:
    visit(page, f"{server.url}/train?run={trained}")
    wait_epochs(page, 2)
    chart = page.locator(".live-chart-plot").first
    chart.hover()
    for kind in ("SVG", "PNG"):
        with page.expect_download() as saved:
            chart.locator(f"[data-title^='Save as {kind}']").click()
        path = saved.value.path()
        if kind == "PNG":
            assert png_width(path) == pytest.approx(180 / 25.4 * 300, abs=4)
        else:
            assert re.search(r'<svg[^>]* width="680"', path.read_text())


def test_the_script_the_methods_and_the_cells_can_be_taken(
    server: Server, page: Page, trained: str, tmp_path: Path
) -> None:
    import anndata

    visit(page, f"{server.url}/explore?run={trained}&see=files")
    compile(take(page, "Python script", tmp_path).read_text(), "script.py", "exec")
    assert json.loads(take(page, "Notebook", tmp_path).read_text())["nbformat"] == 4
    assert "X_scVI" in anndata.read_h5ad(take(page, "Cells with results", tmp_path)).obsm
    page.get_by_text("Methods paragraph").click()
    expect(page.get_by_text("Lopez et al., 2018").first).to_be_visible()


def test_a_bundle_is_opened_on_another_computer(
    server: Server, page: Page, trained: str, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    visit(page, f"{server.url}/train?run={trained}")
    bundle = take(page, "Bundle (.zip)", tmp_path)
    there = start_server()
    bring(page, there, bundle)
    expect(page.get_by_text("1 run imported.")).to_be_visible()
    visit(page, f"{there.url}/train?run={trained}")
    wait_epochs(page, 2)
    assert epochs_drawn(page) == 2
    expect(page.get_by_text("imported from").first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("(Resume|Extend)$"))).to_have_count(0)
    expect(page.locator(".downloads a", has_text="Model (.zip)")).to_have_count(0)
    bring(page, there, bundle)  # once more, so that there are two to compare
    expect(page.get_by_text("1 run imported.")).to_be_visible()
    (again,) = {folder.name for folder in (there.workspace / "runs").iterdir()} - {trained}
    visit(page, f"{there.url}/compare?tab=side&runs={trained},{again}")
    expect(page.locator(".live-chart-plot .main-svg").first).to_be_visible()
    assert "Brought from" in take(page, "Report (.html)", tmp_path).read_text()


def test_a_hostile_bundle_is_refused_or_shown_as_text(
    server: Server, page: Page, console: Console, trained: str, tmp_path: Path
) -> None:
    visit(page, f"{server.url}/train?run={trained}")
    good = take(page, "Bundle (.zip)", tmp_path)
    with zipfile.ZipFile(good) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    note = page.locator(".import-note")
    for name, data, says in (
        ("../../evil.txt", b"x", "leads elsewhere"),
        (f"runs/{trained}/history.csv", b"0" * 30_000_000, "far more than it is"),
        (f"runs/{trained}/latent.npy", b"\x80\x04cos\nsystem\n(S'false'\ntR.", "plain array"),
        (f"runs/{trained}/record.json", b"{", "not proper JSON"),
    ):
        bring(page, server, pack(tmp_path / "bad.zip", {**contents, name: data}))
        expect(note).to_have_text(re.compile(says), timeout=20_000)
    assert len(console.errors) == 4  # the browser itself tells of an answer that refuses
    assert all("400" in error and "/api/import" in error for error in console.errors)
    console.errors.clear()
    evil = '<img src=q onerror="window.hacked=1"> **b** $x^2$'
    record = json.loads(contents[f"runs/{trained}/record.json"])
    record |= {"name": evil, "note": evil, "notices": [evil], "device_name": evil}
    record["spec"]["dataset_name"] = evil
    told = json.dumps(record).encode()
    bring(page, server, pack(tmp_path / "names.zip", {**contents, f"runs/{trained}/record.json": told}))
    expect(page.get_by_text("1 run imported.")).to_be_visible()
    imported = next(folder.name for folder in (server.workspace / "runs").iterdir() if folder.name != trained)
    for path in ("/runs", f"/train?run={imported}", f"/compare?tab=side&runs={trained},{imported}"):
        visit(page, server.url + path)
        assert page.locator("img[src=q]").count() == 0
        assert page.evaluate("() => window.hacked") is None
    report = take(page, "Report (.html)", tmp_path)
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    assert page.locator("img[src=q]").count() == 0
    assert page.evaluate("() => window.hacked") is None
    expect(page.get_by_text(evil).first).to_be_visible()


def pack(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path
