"""A service of all but ready bytes: answers of any size at the cost of copying them; a bench measures the client.

``python bench/plant.py MACHINES`` prints its address and serves ``POST /reports/production`` by machine and day until
it is ended. Each day has one row for each machine: 2 groups, an id and 9 metrics, 280 bytes of JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DAY, NUMBER = "@@@@@@@@@@", "####"  # what each day fills in: its date, and four digits of its own


def make_row(machine: int) -> str:
    """Write the row of one machine; no other row has the same figures, and ratios have all the digits of a double."""
    noise = machine * 7919 % 100_000
    figures = {
        "totalParts": f"9{machine % 97:02}{NUMBER}",
        "goodParts": f"8{machine % 89:02}{NUMBER}",
        "rejectedParts": f"1{machine % 9}{NUMBER}",
        "timeInCycle": f"4{noise % 1000:03}{NUMBER}",
        "timeInCut": f"3{noise % 1000:03}{NUMBER}",
        "downtime": f"1{noise % 1000:03}{NUMBER}",
        "allTime": "86400000",
        "oee": f"0.4{noise:05}{NUMBER}{machine:05}1",
        "availability": f"0.8{noise:05}{NUMBER}{machine:05}1",
    }
    names = f'"machine":"Machine {machine:05}","machineId":"00000000-0000-4000-8000-{machine:012}"'
    numbers = ",".join(f'"{name}":{figure}' for name, figure in figures.items())
    return f'{{{names},"day":"{DAY}T00:00:00.000Z",{numbers}}}'


class Plant(ThreadingHTTPServer):
    """Holds the text of one day."""

    daemon_threads = True

    def __init__(self, machines: int) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self._text = ",".join(map(make_row, range(machines))).encode()

    def write_day(self, day: date) -> bytes:
        """Give the rows of a day."""
        number = f"{day.toordinal() % 10_000:04}"
        return self._text.replace(DAY.encode(), day.isoformat().encode()).replace(NUMBER.encode(), number.encode())


class Answering(BaseHTTPRequestHandler):
    """Answers with the days that were asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body does not wait until its head has been acknowledged
    server: Plant

    def do_POST(self) -> None:
        """Send one day after the other in one body of known length."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first, last = date.fromisoformat(asked["startDay"]), date.fromisoformat(asked["endDay"])
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        body = b",".join(map(self.server.write_day, days))
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
