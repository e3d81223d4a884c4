"""The site of `make docs`, built from its lock and opened in a real browser: links, pictures, search, widths."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from stub_project import ROOT
from test_envs import UV, places

WIDTHS = (390, 1280)  # a phone, a laptop
WORD, PAGE = "KillWait", "cluster.html"  # a word that stands on one page
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")

# Opens the first page and all that it leads to, in a frame of each width, then searches; posts what it saw.
SCRIPT = """<!doctype html><body style="margin:0"><script>
const seen = {widths: {}, pictures: [], found: [], errors: []};
const pause = ms => new Promise(done => setTimeout(done, ms));
function open(url, width) {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.style.cssText = `border:0;width:${width}px;height:800px`;
    frame.onload = () => done(frame);
    frame.src = url;
    document.body.replaceChildren(frame);
  });
}
async function look(width) {
  const queue = [new URL("index.html", location).href], known = new Set(queue);
  while (queue.length) {
    const url = queue.shift(), page = (await open(url, width)).contentDocument;
    if (page.title.startsWith("Error")) { seen.errors.push(url); continue; }
    await pause(100);
    (seen.widths[new URL(url).pathname.slice(1)] ??= {})[width] = page.documentElement.scrollWidth;
    for (const picture of page.images) {
      await picture.decode().catch(() => 0);
      if (width == WIDTHS[0]) seen.pictures.push([picture.getAttribute("src"), picture.naturalWidth]);
    }
    for (const link of page.links) {
      const target = link.href.split("#")[0];
      if (target.startsWith(location.origin) && !known.has(target)) { known.add(target); queue.push(target); }
    }
  }
}
async function search() {
  const page = (await open("index.html", WIDTHS.at(-1))).contentDocument;
  const query = page.querySelector("[data-md-component=search-query]");
  for (let tries = 0; tries < 100 && !seen.found.length; tries++) {
    query.focus();
    query.value = WORD;
    query.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true}));
    await pause(200);
    seen.found = [...page.querySelectorAll(".md-search-result__link")].map(link => new URL(link.href).pathname);
  }
}
(async () => {
  try { for (const width of WIDTHS) await look(width); await search(); }
  catch (error) { seen.errors.push(String(error)); }
  fetch("/", {method: "POST", body: JSON.stringify(seen)});
})();
</script>"""


class Server(ThreadingHTTPServer):
    posted = None

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=folder))
        self.done = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """`make docs`, with a new environment of envs/docs.lock elsewhere."""
    folder = tmp_path_factory.mktemp("docs")
    environment = os.environ | places() | {"UV_INDEX_STRATEGY": "unsafe-best-match", "NO_MKDOCS_2_WARNING": "1"}

    def run(*command) -> None:
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]

    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "env")
    pinned = ("--no-deps", "--require-hashes", "-r", "envs/docs.lock")
    run(UV, "pip", "install", "--quiet", "--python", folder / "env/bin/python", *pinned)
    run(folder / "env/bin/mkdocs", "build", "--quiet", "--site-dir", folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def seen(site, tmp_path_factory) -> dict:
    """What a browser saw of the site."""
    browser = shutil.which("chromium")
    assert browser, "chromium is needed (apt-get install chromium; .ci/run does it)"
    names = f"<script>const WIDTHS = {json.dumps(WIDTHS)}, WORD = {json.dumps(WORD)};</script>"
    (site / "look.html").write_text(names + SCRIPT)
    server = Server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tmp_path_factory.mktemp("profile")
    command = [browser, *FLAGS, "--window-size=1400,900", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    address = f"http://127.0.0.1:{server.server_port}/look.html"
    process = subprocess.Popen([*command, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert server.done.wait(80), "the browser did not finish"
    finally:
        process.terminate()
        process.wait(20)
        server.shutdown()
        server.server_close()
    assert not server.posted["errors"]
    return server.posted


def test_every_page_is_reached_from_the_first(site, seen):
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")} - {"404.html", "look.html"}
    assert set(seen["widths"]) - {""} == pages
    assert PAGE in pages


def test_every_picture_loads(seen):
    assert len(seen["pictures"]) >= 3
    assert [name for name, width in seen["pictures"] if not width] == []


def test_no_page_is_wider_than_the_screen(seen):
    wide = {page: widths for page, widths in seen["widths"].items() if any(widths[str(w)] > w for w in WIDTHS)}
    assert wide == {}


def test_search_finds_the_page_of_a_word(seen):
    assert WORD in (ROOT / "docs/cluster.md").read_text()
    assert seen["found"] and seen["found"][0].endswith(PAGE)
