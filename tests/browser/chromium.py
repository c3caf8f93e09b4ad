"""Finds a Chromium or Chrome for the browser tests, or installs one.

``python -m tests.browser.chromium`` prints its path. It looks at $CHROMIUM, then on the PATH, then
at what Playwright installed; then, as root on a Debian-like system, it installs the package
``chromium``; then it asks Playwright for its own build. If all fails it says what to do.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # there is no other host
]


def find_chromium() -> str | None:
    """Path of an installed browser, or None."""
    named = os.environ.get("CHROMIUM")
    if named:
        if not shutil.which(named):
            raise SystemExit(f"CHROMIUM={named}: no such program")
        return shutil.which(named)
    on_path = next((path for name in NAMES if (path := shutil.which(name))), None)
    return on_path or _playwrights_own()


def install_chromium() -> str:
    """Install a browser and return its path; exits with what to do if it cannot."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", "chromium"]):
            subprocess.run(["apt-get", *command], env=quiet, check=False, stdout=sys.stderr)
    if not find_chromium():
        command = [sys.executable, "-m", "playwright", "install", "chromium"]
        subprocess.run(command, check=False, stdout=sys.stderr)
    found = find_chromium()
    if not found:
        raise SystemExit(
            "No Chromium or Chrome was found, and none could be installed. Install one "
            "(Debian/Ubuntu: sudo apt-get install chromium; elsewhere: "
            "python -m playwright install chromium), or set CHROMIUM to the path of yours."
        )
    return found


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if path and Path(path).exists() else None


if __name__ == "__main__":
    print(find_chromium() or install_chromium())
