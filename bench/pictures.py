"""Takes the pictures of the documents from the running demo. Needs Debian's chromium.

Usage: python -m bench.pictures [FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from console.stage import stage, wait_for

#: Picture -> the pretend CRM, what follows its address, and the window's size.
PICTURES = {
    "hubspot-list": ("hubspot", "", "1280,900"),
    "hubspot-call-now": ("hubspot", "/?view=call-now", "1280,620"),
    "hubspot-emergencies": ("hubspot", "/?view=emergencies", "1280,420"),
    "salesforce-list": ("salesforce", "", "1280,900"),
}


def main() -> None:
    """Let inquiries arrive and be scored; picture the lists that a front desk would look at."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")
    with tempfile.TemporaryDirectory() as name, stage(Path(name)) as running:
        list(wait_for(running, running.arrive(60, seed=7), 60.0))
        for picture, (crm, view, window) in PICTURES.items():
            file = folder / f"{picture}.png"
            command = [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", f"--user-data-dir={name}/chromium-{picture}",
                f"--window-size={window}", f"--screenshot={file.resolve()}",
                running.urls[crm].rstrip("/") + view,
            ]  # fmt: skip
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            print(file)


if __name__ == "__main__":
    main()
