"""Takes the pictures of the documents from the running demo. Needs Debian's chromium.

Usage: python -m bench.pictures [FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from console.stage import stage, wait_for

WINDOW = "1280,900"


def main() -> None:
    """Let inquiries arrive and be scored; picture both pretend CRMs' lists."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    with tempfile.TemporaryDirectory() as name, stage(Path(name)) as running:
        list(wait_for(running, running.arrive(60, seed=7), 60.0))
        for crm, url in running.urls.items():
            file = folder / f"{crm}-list.png"
            command = [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", f"--user-data-dir={name}/chromium-{crm}",
                f"--window-size={WINDOW}", f"--screenshot={file.resolve()}", url,
            ]  # fmt: skip
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            print(file)


if __name__ == "__main__":
    main()
