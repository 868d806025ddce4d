"""The installation as the user writes it in ``mmflow.yaml``: sites, connections, defaults, where output goes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from mmflow.options import Options
from mmflow.refs import Secret

JOBS_FOLDER: Final = "jobs"  # beside mmflow.yaml
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["06:00"])]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Environment = Literal["standard", "govcloud", "demo", "simulator"]


class Shift(Options):
    """One shift of a weekly schedule; ``to`` not after ``from`` means that it ends the next day."""

    name: Annotated[str, Meta(description="Its name in MachineMetrics.", examples=["First"])]
    days: Annotated[
        str | tuple[str, ...],
        Meta(description="Days on which it starts: mon-fri, sat, or a list.", examples=["mon-fri"]),
    ] = "mon-sun"
    from_: Annotated[TimeOfDay, Meta(description="Local start.", examples=["22:00"])] = field(name="from")
    to: Annotated[TimeOfDay, Meta(description="Local end, excluded.", examples=["06:00"])]


class MachineSchedule(Options):
    """Shifts that only some machines follow."""

    name: Annotated[str, Meta(description="Name of the schedule.", examples=["Weekend"])]
    machine_groups: Annotated[tuple[str, ...], Meta(description="Machine groups that follow it.")] = ()
    shifts: Annotated[tuple[Shift, ...], Meta(description="Its shifts, like those of the site.")]


class Site(Options):
    """One MachineMetrics company or location: where it answers, its key, and its plant calendar."""

    environment: Annotated[
        Environment | None, Meta(description="standard, govcloud, demo, or simulator (a plant on this machine).")
    ] = None
    base_url: Annotated[
        str, Meta(description="Another address: https, or http on this machine.", examples=["http://127.0.0.1:8765"])
    ] = ""
    api_key: Annotated[Secret | None, Meta(description="A reference: ${env:NAME} or ${file:path}.")] = None
    timezone: Annotated[str, Meta(description="IANA zone of the plant.", examples=["America/New_York"])]
    start_of_day: Annotated[TimeOfDay, Meta(description="When the production day starts.")] = "00:00"
    week_starts: Annotated[Weekday, Meta(description="First day of the production week.")] = "monday"
    shifts: Annotated[tuple[Shift, ...], Meta(description="The schedule most machines follow.")] = ()
    schedules: Annotated[tuple[MachineSchedule, ...], Meta(description="Other schedules, by machine group.")] = ()
    holidays: Annotated[
        str | tuple[str, ...], Meta(description="Dates, or the path of an ICS file.", examples=[["2026-12-25"]])
    ] = ()


class ConnectionKeys(Options):
    """The keys of every connection beside those of its type."""

    type: Annotated[str, Meta(description="The kind of sink that uses it.", examples=["sql"])]


class Network(Options):
    """How the service is reached."""

    proxy: Annotated[str, Meta(description="Proxy address.", examples=["http://proxy.example.com:3128"])] = ""
    ca_bundle: Annotated[str, Meta(description="PEM file of a company CA.")] = ""
    in_flight: Annotated[int, Meta(ge=1, le=16, description="Requests at a time for each key.")] = 2
    deadline: Annotated[str, Meta(description="Longest time for one request with its retries.")] = "5 minutes"
    max_answer_mb: Annotated[int, Meta(ge=1, description="Largest answer accepted, unpacked, in MB.")] = 256

    def __repr__(self) -> str:
        # A proxy's address may hold a password.
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "proxy")
        return f"Network({', '.join(shown)})"


class PluginRules(Options):
    """Which installed plugins may load."""

    allow: (
        Annotated[
            tuple[str, ...],
            Meta(
                description="Only these packages, perhaps with version and fingerprint; all unless given.",
                examples=[["mmflow-files==0.1.0", "acme-sink==1.2 sha256:4f..."]],
            ),
        ]
        | None
    ) = None
    block: Annotated[tuple[str, ...], Meta(description="Never these plugins.")] = ()


class Retention(Options):
    """How long things are kept."""

    runs: Annotated[str, Meta(description="Ledger rows.", examples=["400 days"])] = "400 days"
    snapshots: Annotated[str, Meta(description="Stored tables, which resend needs.")] = "30 days"


class State(Options):
    """Where the ledger is: in a file under the root, or in a PostgreSQL that several daemons share."""

    url: Annotated[
        str,
        Meta(
            description="Address of the database; a file under .mmflow unless given.",
            examples=["postgresql://mmflow@db.example.com/mmflow"],
        ),
    ] = ""
    password: Annotated[Secret | None, Meta(description="A reference: ${env:NAME} or ${file:path}.")] = None
    tls: Annotated[
        Literal["verify", "require", "off"] | None,
        Meta(
            description="verify: encrypted, and the server has to prove its name (unless told otherwise, except on "
            "this machine). require: encrypted, whoever answers. off: in plain text."
        ),
    ] = None
    ca: Annotated[
        str,
        Meta(description="PEM file of the authority that signed the server's certificate; starts at the root."),
    ] = ""
    network_drive: Annotated[
        bool, Meta(description="Keep the file although .mmflow is on a drive of the network; no other machine uses it.")
    ] = False


class Daemon(Options):
    """How the daemon works."""

    workers: Annotated[int, Meta(ge=1, le=64, description="Runs at a time, each in a process of its own.")] = 2
    run_time: Annotated[str, Meta(description="Longest time of one run; it is then ended.")] = "1 hour"
    run_memory_mb: Annotated[int, Meta(ge=1024, description="Most memory of one run, in MB.")] = 2048
    lease: Annotated[
        str, Meta(description="How long a daemon may be silent until what it had begun is taken up by another.")
    ] = "1 minute"
    grace: Annotated[str, Meta(description="How long runs may go on when the daemon is told to stop.")] = "25 seconds"
    heartbeat: Annotated[
        str,
        Meta(description="An address asked every minute while all is well; who listens there notices when it stops."),
    ] = ""
    notice_wait: Annotated[str, Meta(description="How long notices are gathered into one message.")] = "1 minute"


class Settings(Options):
    """``mmflow.yaml``."""

    version: Annotated[Literal[1], Meta(description="Version of this file's form.", examples=[1])]
    sites: Annotated[dict[str, Site], Meta(min_length=1, description="The plants, by the name that jobs use.")]
    # Options of a connection belong to its sink type, see check.py; here they are plain data.
    connections: Annotated[dict[str, dict[str, Any]], Meta(description="Named, so that jobs hold no secrets.")] = field(
        default_factory=dict
    )
    defaults: Annotated[dict[str, Any], Meta(description="Any job key, for jobs that do not say.")] = field(
        default_factory=dict
    )
    output: Annotated[str, Meta(description="Folder that every written file stays under, with no jobs in it.")] = "out"
    output_mode: Annotated[
        str, Meta(pattern=r"^0?[0-7]{3}$", description="Permissions of written files, in octal and quotes.")
    ] = "0644"
    network: Annotated[Network, Meta(description="How the service is reached.")] = Network()
    plugins: Annotated[PluginRules, Meta(description="Which installed plugins may load.")] = PluginRules()
    retention: Annotated[Retention, Meta(description="How long things are kept.")] = Retention()
    state: Annotated[State, Meta(description="Where the ledger is.")] = State()
    daemon: Annotated[Daemon, Meta(description="How the daemon works.")] = Daemon()
