"""A page as a real browser lays it out; nothing is fetched.

Chromium lays it out, and a script that is added for the test measures it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

BROWSER = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (found := shutil.which(name))
    ),
    None,
)

MEASURE = """
<script>
const box = element => {
  const r = element.getBoundingClientRect();
  return {text: element.textContent, left: r.left, right: r.right, top: r.top, bottom: r.bottom,
          size: parseFloat(getComputedStyle(element).fontSize)};
};
const colour = (element, name) => getComputedStyle(element)[name];
const root = document.documentElement;
const result = {
  frame: frameElement.name,
  overflow: root.scrollWidth - root.clientWidth,
  width: root.clientWidth,
  page: colour(document.body, "backgroundColor"),
  ink: colour(document.body, "color"),
  drawings: [...document.querySelectorAll("svg")].map(
    svg => ({frame: box(svg), texts: [...svg.querySelectorAll("text")].map(box)})),
  bars: [...document.querySelectorAll(".bar")].map(bar => [...bar.children].map(box)),
  words: [...document.querySelectorAll("h1, h2, h3, p, li, dt, dd, th, td")].length,
  outside: [...document.querySelectorAll("body *")].filter(
    e => !e.closest(".scroll, .unseen, svg") && e.getBoundingClientRect().right > root.clientWidth
  ).map(e => e.outerHTML.slice(0, 80)),
  scrolled: [...document.querySelectorAll(".scroll")].filter(
    e => e.scrollWidth > e.clientWidth).map(e => e.textContent.slice(0, 80)),
  cells: [...document.querySelectorAll("td, th")].filter(
    e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent),
};
const out = parent.document.createElement("pre");
out.className = "measured";
out.textContent = JSON.stringify(result);
parent.document.body.append(out);
</script>
"""


def laid_out(
    pages: Mapping[str, str], widths: Sequence[int], *, dark: bool, folder: Path
) -> dict[tuple[str, int], dict]:
    """What the script measures of each page in a frame of each width, by the page's name and the
    width. One browser lays all of them out: most of its time it takes to start."""
    file = folder / "page.html"
    measuring = {
        name: html.escape(page.replace("</body>", f"{MEASURE}</body>"))
        for name, page in pages.items()
    }
    frames = {f"{name} {width}": (name, width) for name in pages for width in widths}
    # In frames, because a window has a least width.
    file.write_text(
        "<!DOCTYPE html>"
        + "".join(
            f'<iframe name="{frame}" srcdoc="{measuring[name]}" '
            f'style="display: block; border: 0; width: {width}px"></iframe>'
            for frame, (name, width) in frames.items()
        )
    )
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'browser'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--window-size=1400,1000",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    texts = re.findall(r'<pre class="measured">(.*?)</pre>', done.stdout, re.DOTALL)
    results = [json.loads(html.unescape(text)) for text in texts]
    assert sorted(result["frame"] for result in results) == sorted(frames), done.stderr
    found = {frames[result["frame"]]: result for result in results}
    assert all(result["width"] == width for (_, width), result in found.items())
    return found


def overlap(a: dict, b: dict) -> bool:
    """Whether two boxes share more than their rims."""
    across = min(a["right"], b["right"]) - max(a["left"], b["left"])
    down = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
    return across > 1 and down > 3  # the boxes of two lines of text share some of their leading


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of ``rgb(r, g, b)``."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
