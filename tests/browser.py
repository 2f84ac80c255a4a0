"""A page in headless Chromium: what a script finds in it, and what went wrong.

The script is put into a copy of the page, and what it returns is read from the document that the
browser prints. A browser that is not installed is a reason to skip.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

BEFORE = """<script>
const wrong = [];
addEventListener("error", event => wrong.push(String(event.message || event.target.src)), true);
addEventListener("unhandledrejection", event => wrong.push(String(event.reason)));
</script>"""

AFTER = """<script>
addEventListener("load", async () => {
  const found = await (async () => { %s })();
  const asked = performance.getEntriesByType("resource").map(entry => entry.name)
    .filter(name => !name.startsWith("data:"));
  parent.postMessage(JSON.stringify({ found, wrong, asked }), "*");
});
</script>"""

AROUND = """<!doctype html><pre id="found"></pre><script>
addEventListener("message", event => document.getElementById("found").textContent = event.data);
</script><iframe src="visited.html" style="border: 0; width: %dpx; height: 900px"></iframe>"""
"""A page around the one that is visited: a window is never narrower than some 500 pixels."""


def visit(path: Path, width: int, script: str = "return null;") -> Any:
    """Return what a script, the body of an asynchronous function, returns in a page that is so many
    pixels wide; fail where the page has script errors or asks for anything outside itself."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    text = path.read_text(encoding="utf-8").replace("<head>", f"<head>{BEFORE}", 1)
    before, body, after = text.rpartition("</body>")
    copy = path.with_name("visited.html")
    copy.write_text(before + AFTER % script + body + after, encoding="utf-8")
    around = path.with_name("around.html")
    around.write_text(AROUND % width, encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000", "--dump-dom",
         "--window-size=1400,1000", f"--user-data-dir={path.parent / 'profile'}", around.as_uri()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    printed = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert printed is not None, done.stderr
    seen = json.loads(html.unescape(printed[1]))
    assert seen["wrong"] == []
    assert seen["asked"] == []
    return seen["found"]
