"""Behind a real nginx, with the path stripped and with it kept: a deep link, a live run, files in and out, the map."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import files
from tests.browser.reading import press, ready, shown_run, visit, wait_epochs, wait_status
from tests.browser.server import Server, free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
CONFIG = """
worker_processes 1; daemon off; pid HOME/nginx.pid; error_log HOME/error.log;
events { worker_connections 256; }
http {
  access_log HOME/access.log; client_max_body_size 200m;
  client_body_temp_path HOME/b; proxy_temp_path HOME/p; fastcgi_temp_path HOME/f; uwsgi_temp_path HOME/u;
  scgi_temp_path HOME/s;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:PORT;
    location PREFIX {
      proxy_pass http://127.0.0.1:BACKENDSTRIP;
      proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade; proxy_set_header Host $http_host;
      proxy_request_buffering off; proxy_buffering off;
    }
  }
}
"""


@dataclass
class Proxied:
    server: Server
    url: str  # of the dashboard as the browser sees it
    access_log: Path

    def asked(self) -> list[str]:
        """Addresses the browser asked for, with the status each got."""
        return re.findall(r'"(?:GET|POST|PUT) (\S+) HTTP/[\d.]+" (\d+)', self.access_log.read_text())


@pytest.fixture(params=["stripped", "kept"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    kept = request.param == "kept"
    port = free_port()
    path = "node/host/8501" if kept else "rnode/host/8501"
    server = Server(
        tmp_path / "workspace",
        options={"server.baseUrlPath": path} if kept else {},
        environment={"SCVI_STUDIO_TOKEN": "only-for-us"} if kept else {},
    )
    server.start()
    home = tmp_path / "nginx"
    home.mkdir()
    told = CONFIG.replace("HOME", str(home)).replace("PORT", str(port)).replace("BACKEND", str(server.port))
    told = told.replace("PREFIX", f"/{path}/").replace("STRIP", "" if kept else "/")
    (home / "nginx.conf").write_text(told)
    nginx = subprocess.Popen([NGINX, "-p", str(home), "-c", str(home / "nginx.conf")])
    yield Proxied(server, f"http://127.0.0.1:{port}/{path}", home / "access.log")
    nginx.terminate()
    nginx.wait(20)
    server.stop()


def test_everything_works_under_a_path(proxied: Proxied, page: Page, tmp_path: Path) -> None:
    where = proxied.url
    if proxied.server.token:
        log_in(page, proxied)
    # a deep link, typed in
    visit(page, f"{where}/train?max_epochs=3&engine=stock")
    page.locator(".st-key-train_submit button").click()
    run_id = shown_run(page)
    assert page.url.startswith(f"{where}/train?run=")
    wait_epochs(page, 2)  # the websocket, and the plotting library
    wait_status(page, "finished")
    with page.expect_download() as started:
        page.locator(".downloads a", has_text=".csv").first.click()
    assert Path(started.value.path()).read_text().startswith("run_id,dataset,epoch")
    # from page to page, with the menu
    page.get_by_role("link", name=re.compile("Runs$")).first.click()
    page.wait_for_url(f"{where}/runs")
    ready(page)
    # a file in
    visit(page, f"{where}/data")
    page.locator("input[type=file]").first.set_input_files(files.counts_file(tmp_path / "cells.h5ad"))
    page.wait_for_url(re.compile(r"/data\?source="), timeout=60_000)
    expect(page.get_by_role("heading", name="Matrices")).to_be_visible(timeout=60_000)
    press(page, "Prepare")
    expect(page.get_by_text("Ready for training")).to_be_visible(timeout=60_000)
    # the map
    visit(page, f"{where}/explore?run={run_id}")
    expect(page.locator(".cell-map[data-drawn]").first).to_be_visible(timeout=90_000)
    # an address with a slash too many, and one that is nowhere
    page.goto(f"{where}/train/")
    ready(page)
    assert page.url.split("?")[0] == f"{where}/train"
    visit(page, f"{where}/nowhere")
    expect(page.get_by_text("Page not found")).to_be_visible()
    prefix = "/" + where.split("/", 3)[3]
    assert {path.split("?")[0] for path, _ in proxied.asked() if not path.startswith(prefix)} <= {
        "/favicon.ico"
    }
    assert [(path, status) for path, status in proxied.asked() if status in ("404", "403", "500")] == []
    assert f"ready at {proxied.server.url}" in proxied.server.log


def log_in(page: Page, proxied: Proxied) -> None:
    page.goto(f"{proxied.url}/runs")
    page.get_by_label("Token").fill(proxied.server.token)
    page.get_by_role("button", name="Log in").click()
    ready(page)
    assert page.url == f"{proxied.url}/runs"
    [cookie] = [one for one in page.context.cookies() if one["name"].startswith("scvi-studio-")]
    assert cookie["path"].rstrip("/") == "/node/host/8501"
