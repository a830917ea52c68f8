"""The peers of the receiver: a Flask view that reads nothing, checks nothing, and says 200."""

import sys

from flask import Flask, request
from waitress import serve


def create() -> Flask:
    """Return the bare application."""
    app = Flask("bare", static_folder=None)

    @app.post("/webhooks/hubspot")
    @app.post("/webhooks/salesforce/<token>")
    def bare(token: str = "") -> str:
        del token
        request.get_data(cache=False)
        return ""

    return app


if __name__ == "__main__":
    serve(
        create(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        threads=int(sys.argv[2]),
        asyncore_use_poll=True,
        ident=None,
        recv_bytes=65_536,
    )
