"""Which addresses may be asked, and what a site's settings lead to."""

import pytest

from mmflow.errors import UserError
from mmflow.hosts import ENVIRONMENTS, Host, check_address, find_host
from mmflow.refs import Secret
from mmflow.settings import Site

KEY = Secret("key-boston-8d21f0")
ODD_IP = "a number that programs read as different hosts; write it as four numbers with dots"


def site(**keys: object) -> Site:
    return Site(**{"timezone": "America/New_York", "api_key": KEY, **keys})


@pytest.mark.row("S43")
@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/mm/",
        "https://10.1.2.3",
        "http://127.0.0.1:8765",
        "http://127.8.9.1",
        "http://localhost:8765",
        "http://[::1]:8765",
        "HTTPS://API.example.com",
    ],
)
def test_https_and_this_machine_may_be_asked(url: str) -> None:
    assert check_address(url) is None


@pytest.mark.row("S43")
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://api.example.com", "must begin with https://, as the key would travel in clear"),
        ("http://10.1.2.3", "must begin with https://, as the key would travel in clear"),
        ("http://169.254.169.254/latest", "must begin with https://, as the key would travel in clear"),
        ("https://169.254.169.254/", "is a link-local address, where no service of a plant is"),
        *((f"https://{odd}/", f"is {ODD_IP}") for odd in ("2852039166", "0xA9FEA9FE", "0251.0376.0251.0376")),
        *((f"https://{odd}/", f"is {ODD_IP}") for odd in ("169.254.43518", "169.254.169.254.", "0x7f.1", "api.1")),
        ("https://[fe80::1]/", "is a link-local address, where no service of a plant is"),
        ("https://[::ffff:169.254.169.254]/", "is a link-local address, where no service of a plant is"),
        ("http://localhost.evil.example", "must begin with https://, as the key would travel in clear"),
        ("http://127.0.0.1.evil.example", "must begin with https://, as the key would travel in clear"),
        ("http://127.0.0.1@evil.example", "must not hold a user name or password; the key belongs in api_key"),
        ("https://user:pw@api.example.com", "must not hold a user name or password; the key belongs in api_key"),
        ("https://api.example.com?key=1", "must not have a query or a fragment"),
        ("https://api.example.com/?", "must not have a query or a fragment"),
        ("https://api.example.com#x", "must not have a query or a fragment"),
        ("file:///etc/passwd", "must begin with https:// (or http:// for this very machine)"),
        ("ftp://api.example.com", "must begin with https:// (or http:// for this very machine)"),
        ("api.example.com", "must begin with https:// (or http:// for this very machine)"),
        ("", "must begin with https:// (or http:// for this very machine)"),
        ("https://", "names no host; expected something like https://api.example.com"),
        ("https:///path", "names no host; expected something like https://api.example.com"),
        ("https://api.example.com:0", "has port 0, which nothing listens on"),
        ("https://api.example.com:99999", "is not an address; expected something like https://api.example.com"),
        ("https://[::1", "is not an address; expected something like https://api.example.com"),
        ("https://api.example.com\n.evil.example", "holds a character that no address has"),
        ("https://api example.com", "holds a character that no address has"),
        ("https://api.exämple.com", "holds a character that no address has"),
        ("https://api.example.com\\@evil.example", "holds a character that no address has"),
    ],
)
def test_other_addresses_are_refused_with_the_reason(url: str, fault: str) -> None:
    assert check_address(url) == fault


@pytest.mark.parametrize(("environment", "address"), ENVIRONMENTS.items())
def test_each_environment_has_one_address(environment: str, address: str) -> None:
    assert find_host("boston", site(environment=environment)) == Host(address, KEY)
    assert check_address(address) is None


def test_a_base_url_loses_its_last_slash() -> None:
    assert find_host("boston", site(base_url="https://api.example.com/mm/")).base_url == "https://api.example.com/mm"


def test_a_simulated_site_is_where_the_simulator_runs() -> None:
    found = find_host("boston", site(environment="simulator"), simulator="http://127.0.0.1:8765/")
    assert found.base_url == "http://127.0.0.1:8765"
    with pytest.raises(UserError, match="start one with 'mmflow simulate'"):
        find_host("boston", site(environment="simulator"))


def test_a_key_is_named_by_its_reference_and_never_shown() -> None:
    found = find_host("boston", site(environment="standard"), reference="${env:MM_BOSTON_KEY}")
    assert found.key_name == "the api_key of site boston (${env:MM_BOSTON_KEY})"
    assert "8d21f0" not in repr(found)


def test_two_sites_of_one_address_and_key_are_one_host() -> None:
    assert find_host("boston", site(environment="demo")) == find_host("reno", site(environment="demo"))


def test_a_site_without_a_key_is_told_how_to_give_one() -> None:
    with pytest.raises(UserError, match=r"site boston has no api_key; .*\$\{env:MM_BOSTON_KEY\}"):
        find_host("boston", site(api_key=None, environment="standard"))


def test_a_bad_base_url_is_told_with_its_site() -> None:
    with pytest.raises(UserError, match="the base_url of site boston must begin with https://"):
        find_host("boston", site(base_url="http://api.example.com"))
