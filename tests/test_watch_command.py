"""The watch on a terminal says that it is at work."""

JOB = """
    job: daily
    report: {metrics: [goodParts], group_by: [machine]}
    window: yesterday
    schedule: {every: day, at: "05:00"}
    sinks: [{type: console}]
"""


def test_a_watch_says_what_it_watches_and_how_it_is_ended(desk):
    desk.job(JOB)

    def sleep(_seconds):
        raise KeyboardInterrupt

    desk.clock.sleep = sleep
    done = desk.mmflow("watch")
    assert done.code == 130
    assert "watching 1 job; Ctrl+C ends it\n" in done.err
