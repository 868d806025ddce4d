"""A service of ready bytes: answers of any size at the cost of copying them, so that a bench measures the client.

``python bench/plant.py MACHINES`` prints its address and serves ``POST /reports/production`` by machine and day until
it is ended. Each day has one row for each machine: 2 groups, an id and 9 metrics, 280 bytes of JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRICS = [
    "totalParts",
    "goodParts",
    "rejectedParts",
    "timeInCycle",
    "timeInCut",
    "downtime",
    "allTime",
    "oee",
    "availability",
]
DAY = "@@@@@@@@@@"


def make_row(machine: int) -> dict[str, object]:
    """Give the numbers of one machine; they differ from machine to machine."""
    good, bad = 100 + machine * 7 % 900, machine * 3 % 40
    return {
        "machine": f"Machine {machine:05}",
        "machineId": f"00000000-0000-4000-8000-{machine:012}",
        "day": f"{DAY}T00:00:00.000Z",
        "totalParts": good + bad,
        "goodParts": good,
        "rejectedParts": bad,
        "timeInCycle": 40_000_000 + machine * 997 % 9_000_000,
        "timeInCut": 30_000_000 + machine * 991 % 9_000_000,
        "downtime": 5_000_000 + machine * 983 % 9_000_000,
        "allTime": 86_400_000,
        "oee": 0.4 + machine * 37 % 5000 / 10_007,
        "availability": 0.6 + machine * 41 % 3000 / 10_007,
    }


class Plant(ThreadingHTTPServer):
    """Holds the bytes of one day."""

    daemon_threads = True

    def __init__(self, machines: int) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        rows = [json.dumps(make_row(machine), separators=(",", ":")) for machine in range(machines)]
        self.day = ",".join(rows).encode()


class Answering(BaseHTTPRequestHandler):
    """Answers with the days that were asked."""

    protocol_version = "HTTP/1.1"
    server: Plant

    def do_POST(self) -> None:
        """Send one day after the other in one body of known length."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first, last = date.fromisoformat(asked["startDay"]), date.fromisoformat(asked["endDay"])
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        body = b",".join(self.server.day.replace(DAY.encode(), day.isoformat().encode()) for day in days)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + len(b'{"aggregate":{},"items":[]}')))
        self.end_headers()
        self.wfile.write(b'{"aggregate":{},"items":[' + body + b"]}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by the parent class
        """Say nothing."""


if __name__ == "__main__":
    with Plant(int(sys.argv[1])) as plant:
        print(f"http://127.0.0.1:{plant.server_address[1]}", flush=True)
        plant.serve_forever()
