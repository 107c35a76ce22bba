"""What one live update sends to the browser, and how long it keeps the browser from answering."""

from __future__ import annotations

import time

from playwright.sync_api import Page, WebSocket

from tests.benchmarks._chromium import dashboard, tab, workspace
from tests.benchmarks._report import Row
from tests.browser.reading import ready

SCRIPT = "tests/benchmarks/live/app.py"
CHARTS = 5
WARM_UP, UPDATES = 5, 30
PAUSE = 0.3  # seconds without a frame: the update has ended

WATCH_LONG_TASKS = """
window.longTasks = []
new PerformanceObserver(list => window.longTasks.push(...list.getEntries().map(entry => entry.duration)))
    .observe({ type: 'longtask', buffered: false })
"""
DRAWN = "() => [...document.querySelectorAll('.live-chart')].map(chart => Number(chart.dataset.drawn ?? 0))"
DRAWING = "() => [...document.querySelectorAll('.live-chart')].map(chart => Number(chart.dataset.drawMs))"


class Traffic:
    """Arrival and size of every websocket frame."""

    def __init__(self, page: Page) -> None:
        self.frames: list[tuple[float, int]] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.frames.append((time.monotonic(), len(data))))

    def updates(self) -> list[int]:
        """Bytes of each burst of frames."""
        sizes: list[int] = []
        last = float("-inf")
        for when, size in self.frames:
            if when - last > PAUSE:
                sizes.append(0)
            sizes[-1] += size
            last = when
        return sizes


def measure() -> list[Row]:
    with workspace() as folder, tab() as page, dashboard(folder, SCRIPT) as server:
        page.set_viewport_size({"width": 1280, "height": 1200})  # all charts on the screen
        page.add_init_script(WATCH_LONG_TASKS)
        traffic = Traffic(page)
        page.goto(server.url)
        ready(page)
        _wait_drawn(page, WARM_UP)
        before = page.evaluate("() => window.longTasks.length")
        first_frame = len(traffic.frames)
        drawing: list[float] = []
        for update in range(1, UPDATES + 1):
            _wait_drawn(page, WARM_UP + update)
            drawing += page.evaluate(DRAWING)
        tasks = page.evaluate("() => window.longTasks")[before:]
        traffic.frames = traffic.frames[first_frame:]
        sizes = [size / 1000 for size in traffic.updates()[1:-1]]  # the first and last may be cut
    return [
        Row("one update, all five charts", "kB", tuple(sizes), goal=100, judged="max"),
        Row("drawing one chart", "ms", tuple(drawing)),
        Row(
            "browser busy for over 50 ms at once",
            "ms",
            tuple(tasks) or (0.0,),
            goal=50,
            judged="max",
            note=f"{len(tasks)} long tasks in {UPDATES} updates; 0 stands for none.",
        ),
    ]


def _wait_drawn(page: Page, times: int) -> None:
    enough = f"drawn.length === {CHARTS} && Math.min(...drawn) >= {times}"
    page.wait_for_function(f"() => {{ const drawn = ({DRAWN})(); return {enough} }}", polling=100)
