"""What the pretend CRM saw: which events it had acknowledged, and every score that was written."""

import io
import json
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from integrations.simulator.hubspot import HubSpotSimulator
from integrations.simulator.hubspot.object_views import BY_API

#: These change with each scoring, and are no score.
_PASSING = ("lead_score_updated_at", "lead_score_trend")


@dataclass(frozen=True, slots=True)
class Written:
    """One record's score as it came to the CRM."""

    at: float  #: Monotonic.
    record: str
    content: str


class Watch:
    """Looks over a simulator's shoulder. Changes nothing of what it does."""

    def __init__(self, simulator: HubSpotSimulator) -> None:
        self._lock = threading.Lock()
        self.acknowledged: set[tuple[int, int]] = set()
        self.queued: set[tuple[int, int]] = set()
        self.writes: list[Written] = []
        self.reads: list[tuple[float, list[str]]] = []
        #: Spans in which the outcome of a call may stay unknown to who made it.
        self.disturbed: list[tuple[float, float]] = []
        self._watch_deliveries(simulator)
        self._watch_writes(simulator)
        self._watch_reads(simulator)

    def disturb(self, since: float, until: float) -> None:
        """Say that calls made in a span of monotonic time may have an unknown outcome."""
        self.disturbed.append((since, until))

    def _watch_deliveries(self, simulator: HubSpotSimulator) -> None:
        courier = simulator._courier  # noqa: SLF001  the rig looks inside
        post, queue = courier._post, courier.queue  # noqa: SLF001

        def posted(session: Any, events: Sequence[Any], attempt: int) -> bool:
            done = post(session, events, attempt)
            if done:
                with self._lock:
                    self.acknowledged.update(_names(events))
            return done

        def queued(events: Sequence[Any]) -> None:
            with self._lock:
                self.queued.update(_names(events))
            queue(events)

        courier._post = posted  # noqa: SLF001
        courier.queue = queued

    def _watch_writes(self, simulator: HubSpotSimulator) -> None:
        contacts = simulator._account.contacts  # noqa: SLF001
        update = contacts.update

        def updated(record: Any, values: Any, *, source: str) -> None:
            update(record, values, source=source)
            if source == BY_API:
                kept = {name: value for name, value in values.items() if name not in _PASSING}
                content = json.dumps(kept, sort_keys=True)
                self.writes.append(Written(time.monotonic(), record.id, content))

        contacts.update = updated

    def _watch_reads(self, simulator: HubSpotSimulator) -> None:
        application = simulator.app.wsgi_app

        def watched(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            if not environ["PATH_INFO"].endswith("/batch/read"):
                return application(environ, start)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)

            def started(status: str, *rest: Any) -> Any:
                if status.startswith("2"):
                    ids = [each["id"] for each in json.loads(body)["inputs"]]
                    self.reads.append((time.monotonic(), ids))
                return start(status, *rest)

            return application(environ, started)

        simulator.app.wsgi_app = watched  # type: ignore[method-assign]

    def needless(self) -> list[str]:
        """Return records whose score was written twice although the first was known to arrive."""
        before: dict[str, Written] = {}
        found = []
        for written in list(self.writes):
            last = before.get(written.record)
            if (
                last is not None
                and last.content == written.content
                and not any(since <= last.at <= until for since, until in self.disturbed)
            ):
                found.append(written.record)
            before[written.record] = written
        return found


def _names(events: Sequence[Any]) -> list[tuple[int, int]]:
    return [(event["eventId"], event["objectId"]) for event in events]
