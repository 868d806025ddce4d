"""What a user writes today: requests and pandas, a week at a time, one CSV file at the end.

``python bench/pandas_script.py URL FIRST_DAY DAYS FILE``
"""

import sys
from datetime import date, timedelta

import pandas as pd
import requests

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


def main(url, first, days, path):
    session = requests.Session()
    session.headers["Authorization"] = "Bearer bench"
    frames = []
    start, end = date.fromisoformat(first), date.fromisoformat(first) + timedelta(days=int(days) - 1)
    while start <= end:
        stop = min(start + timedelta(days=6), end)
        body = {
            "startDay": start.isoformat(),
            "endDay": stop.isoformat(),
            "data": [{"metric": name} for name in METRICS],
            "groupBy": [{"group": "machine"}, {"group": "day"}],
            "flatten": True,
        }
        answer = session.post(f"{url}/reports/production", json=body, timeout=600)
        answer.raise_for_status()
        frames.append(pd.DataFrame(answer.json()["items"]))
        start = stop + timedelta(days=1)
    table = pd.concat(frames, ignore_index=True)
    table["day"] = pd.to_datetime(table["day"]).dt.date
    table = table[["machine", "day", *METRICS]].sort_values(["machine", "day"])
    table.to_csv(path, index=False)


main(*sys.argv[1:])
