"""Addresses that strangers name: only photographs on the public internet, and nothing takes long."""

import datetime as dt
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scoring.service import addresses, fetching
from scoring.service.fetching import FAILED, OFF, REFUSED, TOO_LARGE, FetchError, Rules
from tests.scoring.photograph import hostile
from tests.scoring.photograph.hostile import NETWORK, Hostile


class Resolver:
    """Knows names as the test says, one answer after the other; remembers what it was asked."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    def __call__(self, name: str, port: int) -> list[str]:
        self.asked.append(name)
        if name in self.answers:
            found = self.answers[name]
            return [found.pop(0) if len(found) > 1 else found[0]]
        return fetching.resolve(name, port)


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile.server() as running:
        yield running


def within(resolver: Resolver, *, seconds: float = 10.0, hosts: tuple[str, ...] = (), most: int = 2**20) -> Rules:
    return Rules(hosts=hosts, networks=(NETWORK,), seconds=seconds, most=most, resolve=resolver)


def photos(port: int, path: str = "/photo", *, scheme: str = "http") -> str:
    return f"{scheme}://photos.example:{port}{path}"


def knows_photos() -> Resolver:
    return Resolver(photos_example=["127.0.0.1"], rebound_example=["127.0.0.2"])


@pytest.mark.parametrize("path", ["/photo", "/photo?size=large&x=%20", "/unnamed", "/to-photo"])
def test_a_photograph_is_fetched(server: Hostile, path: str) -> None:
    assert fetching.fetch(photos(server.port, path), within(knows_photos())) == b"a photograph"


def test_the_server_is_asked_by_its_name_for_what_is_not_packed(server: Hostile) -> None:
    fetching.fetch(photos(server.port), within(knows_photos()))
    head = server.requests[0].decode()
    assert f"Host: photos.example:{server.port}\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert "Cookie" not in head


PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
NOT_PUBLIC = [
    *(
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
    ),
    *("100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "100::1", "2001:db8::1", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1"),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert addresses.is_public(ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_no_other_address_is(text: str) -> None:
    assert not addresses.is_public(ip_address(text))


@pytest.mark.parametrize("address", NOT_PUBLIC[1:])
def test_a_name_that_means_us_is_refused(server: Hostile, address: str) -> None:
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(f"http://evil.example:{server.port}/photo", within(Resolver(evil_example=[address])))
    assert server.requests == []


URLS = [
    *("http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/"),
    *("http://0/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://localhost/"),
    *("http://localhost./", "http://LOCALHOST/", "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/"),
    *("http://2852039166/", "http://0xa9fea9fe/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:7f00:1::]/"),
    *("http://100.100.100.200/", "http://168.63.129.16/", "http://10.0.0.1:80/", "http://192.168.0.1/admin"),
    *("http://user@127.0.0.1/", "http://photos.example@127.0.0.1/", "http://photos.example:80@127.0.0.1/"),
    *("http://127.0.0.1#@photos.example/", "http://127.0.0.1\\@photos.example/", "http://photos.example\\.evil/"),
    *("http://photos.example%2f@127.0.0.1/", "http://127.0.0.1%00.photos.example/", "http://①②⑦.⓪.⓪.①/"),
    *(
        "file:///etc/passwd",
        "ftp://photos.example/a",
        "gopher://127.0.0.1:6379/_x",
        "dict://127.0.0.1:11211/",
        "data:,x",
    ),
    *("//127.0.0.1/", "127.0.0.1/", "", "http://", "http:///photo", "http://photos.example:99999/", "http://[::1/"),
    *("http://photos.example:80:80/", "http://photos.example:/x", "http://[fe80::1%25eth0]/", " http://127.0.0.1/"),
    *(
        "http://127.0.0.1/\r\nX-Evil: 1",
        "http://photos.example/ HTTP/1.1\r\nX: y",
        "jar:http://127.0.0.1!/",
        "javascript:1",
    ),
]


@pytest.mark.parametrize("url", URLS)
def test_a_hostile_address_is_refused(url: str) -> None:
    rules = Rules(resolve=Resolver(photos_example=["10.0.0.7"], localhost_=["127.0.0.1"]))
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(url, rules)


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 0])
def test_only_the_ports_of_the_web_are_asked_on_the_internet(port: int) -> None:
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(f"http://photos.example:{port}/", Rules(resolve=Resolver(photos_example=["93.184.216.34"])))


def test_one_private_address_spoils_a_name(server: Hostile) -> None:
    rules = Rules(networks=(NETWORK,), resolve=lambda *_: ["127.0.0.1", "10.0.0.1"])
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(photos(server.port), rules)


def test_a_name_that_changes_its_mind_is_asked_once(server: Hostile) -> None:
    with hostile.server("127.0.0.2", port=server.port) as inside:
        resolver = Resolver(photos_example=["127.0.0.1", "127.0.0.2"])
        assert fetching.fetch(photos(server.port), within(resolver)) == b"a photograph"
        assert resolver.asked == ["photos.example"]
        assert inside.requests == []


def test_a_redirect_is_resolved_anew(server: Hostile) -> None:
    resolver = Resolver(photos_example=["127.0.0.1", "127.0.0.2"])
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(photos(server.port, "/to-photo"), within(resolver))


INWARDS = ["loopback", "private", "metadata", "rebound", "file", "gopher", "relative"]


@pytest.mark.parametrize("target", INWARDS)
def test_a_redirect_to_the_inside_is_refused(server: Hostile, target: str) -> None:
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(photos(server.port, f"/to-{target}"), within(knows_photos()))


USELESS = [
    *("/page", "/missing", "/gzip", "/short", "/short-chunk", "/headers", "/nonsense", "/silent", "/ssh"),
    *("/round", "/nowhere"),
]


@pytest.mark.parametrize("path", USELESS)
def test_what_is_no_photograph_is_not_taken(server: Hostile, path: str) -> None:
    with pytest.raises(FetchError, match=FAILED):
        fetching.fetch(photos(server.port, path), within(knows_photos()))


@pytest.mark.parametrize("path", ["/large", "/endless", "/endless-chunks"])
def test_a_body_without_end_is_cut(server: Hostile, path: str) -> None:
    with pytest.raises(FetchError, match=TOO_LARGE):
        fetching.fetch(photos(server.port, path), within(knows_photos()))


@pytest.mark.parametrize("path", ["/drips-body", "/drips-headers", "/drips-status", "/continues"])
def test_a_server_that_drips_is_cut_off(server: Hostile, path: str) -> None:
    with pytest.raises(FetchError, match=FAILED):
        fetching.fetch(photos(server.port, path), within(knows_photos(), seconds=0.3))


def test_a_port_where_nobody_listens_tells_nothing(server: Hostile) -> None:
    with pytest.raises(FetchError, match=FAILED):
        fetching.fetch(photos(1), within(knows_photos()))


def test_a_name_that_nobody_has_tells_nothing() -> None:
    def unknown(name: str, port: int) -> list[str]:
        raise OSError(f"{name} is not known.")

    with pytest.raises(FetchError, match=FAILED):
        fetching.fetch("http://photos.example/", Rules(resolve=unknown))


@pytest.mark.parametrize(
    ("host", "is_listed"),
    [
        ("photos.example", True),
        (".example", True),
        ("example", False),
        (".other.example", False),
        ("otos.example", False),
    ],
)
def test_a_list_of_hosts_leaves_out_all_others(server: Hostile, host: str, is_listed: bool) -> None:
    rules = within(knows_photos(), hosts=(host,))
    if is_listed:
        assert fetching.fetch(photos(server.port), rules) == b"a photograph"
    else:
        with pytest.raises(FetchError, match=REFUSED):
            fetching.fetch(photos(server.port), rules)


def test_a_listed_host_that_means_us_is_refused(server: Hostile) -> None:
    with pytest.raises(FetchError, match=REFUSED):
        fetching.fetch(photos(server.port), Rules(hosts=("photos.example",), resolve=knows_photos()))


def test_a_message_is_brought_and_no_redirect_followed(server: Hostile) -> None:
    rules = within(knows_photos())
    assert fetching.post(photos(server.port), b"{}", {"X-Signed": "yes"}, rules) == 200
    assert fetching.post(photos(server.port, "/to-loopback"), b"{}", {}, rules) == 302
    assert server.requests[0].startswith(b"POST /photo HTTP/1.1\r\n")
    assert b"X-Signed: yes" in server.requests[0]


def test_it_is_off_unless_it_was_turned_on(settings: object) -> None:
    with pytest.raises(FetchError, match=OFF):
        fetching.rules()


def test_a_proxy_in_the_environment_is_not_used(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:1")
    assert fetching.fetch(photos(server.port), within(knows_photos())) == b"a photograph"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a key and a certificate of its own for photos.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "photos.example")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("photos.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path / "certificate.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return path


def test_a_certificate_must_be_trusted_and_of_that_name(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(photos_example=["127.0.0.1"], other_example=["127.0.0.1"])
    with hostile.server(certificate=certificate) as server:
        with pytest.raises(FetchError, match=FAILED):
            fetching.fetch(photos(server.port, scheme="https"), within(resolver))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetching.fetch(photos(server.port, scheme="https"), within(resolver)) == b"a photograph"
        with pytest.raises(FetchError, match=FAILED):
            fetching.fetch(f"https://other.example:{server.port}/photo", within(resolver))
