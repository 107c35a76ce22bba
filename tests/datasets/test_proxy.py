"""Fetching through the proxy of an institution: as safe as without, and with certificates of its own."""

from __future__ import annotations

import http.client
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backend.datasets._addresses import check_link
from backend.datasets._download import Download
from backend.datasets._proxy import proxy_for
from backend.errors import BadInput, NotAllowed, Offline
from backend.settings import Network, Settings

BODY = bytes(range(256)) * 4_000
PUBLIC = "93.184.216.34"
NAME = "data.example.org"
URL = f"https://{NAME}/cells.h5ad"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for certificates")


class Proxy:
    """Connects every tunnel to one server on this machine, whatever it is asked for."""

    def __init__(self, target: int) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.refuse = lambda where: 0  # a status, or 0
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                method, where, _ = self.rfile.readline().decode().split()
                headers = http.client.parse_headers(self.rfile)
                proxy.asked.append(f"{method} {where}")
                proxy.headers.append({key.lower(): value for key, value in headers.items()})
                if status := proxy.refuse(where):
                    self.wfile.write(f"HTTP/1.1 {status} Not for you\r\n\r\n".encode())
                    return
                with socket.create_connection(("127.0.0.1", target)) as there:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
                    back = threading.Thread(target=self.carry, args=(there, self.connection))
                    back.start()
                    self.carry(self.connection, there)
                    back.join()

            @staticmethod
            def carry(one: socket.socket, other: socket.socket) -> None:
                try:
                    while data := one.recv(65_536):
                        other.sendall(data)
                    other.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # one of the two has hung up

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of a server, and of whoever signs it."""
    folder = tmp_path_factory.mktemp("certificates")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    make += ["-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    make += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "own.pem")]
    subprocess.run(make, check=True, capture_output=True)
    return folder


@pytest.fixture
def proxy(authority: Path) -> Iterator[Proxy]:
    """A proxy before a server that shows the institution's own certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/inside" else 200)
            if self.path == "/inside":
                self.send_header("Location", "https://10.0.0.1/secret.h5ad")
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *args: Any) -> None:
            pass

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "own.pem", authority / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    proxy = Proxy(server.server_address[1])
    yield proxy
    proxy.close()
    server.shutdown()
    thread.join()
    server.server_close()


def network(proxy: Proxy, authority: Path | None, **variables: str) -> Network:
    """As the environment of an institution has it."""
    env = {"HTTPS_PROXY": f"http://{proxy.address}", "HTTP_PROXY": proxy.address, **variables}
    if authority is not None:
        env.setdefault("SSL_CERT_FILE", str(authority / "own.pem"))
    return Settings.from_env(env).network


def fetch(network: Network, path: Path, url: str = URL, addresses: tuple[str, ...] = (PUBLIC,)) -> bytes:
    def resolve(host: str, port: int) -> list[str]:
        if not addresses:
            raise OSError("no name server")
        return list(addresses)

    def straight(*of: Any) -> http.client.HTTPConnection:
        raise ConnectionRefusedError("straight out of the network")

    connect = straight if network.https_proxy else None
    download = Download(limit=1 << 30, network=network, resolve=resolve, connect=connect, pause=0.001)
    download.fetch(url, path, lambda *_: None, threading.Event())
    return path.read_bytes()


def test_a_file_arrives_through_the_proxy_from_the_address_that_was_checked(
    proxy: Proxy, authority: Path, tmp_path: Path
) -> None:
    assert fetch(network(proxy, authority), tmp_path / "part") == BODY
    assert proxy.asked == [f"CONNECT {PUBLIC}:443"]
    assert "proxy-authorization" not in proxy.headers[0]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_of_the_institution_are_trusted_where_they_are_named(
    proxy: Proxy, authority: Path, tmp_path: Path, variable: str
) -> None:
    named = network(proxy, None, **{variable: str(authority / "own.pem")})
    assert fetch(named, tmp_path / "part") == BODY
    with pytest.raises(Offline, match="identity of the server could not be verified"):
        fetch(network(proxy, None), tmp_path / "part")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_said_by_their_variable(
    proxy: Proxy, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=r"REQUESTS_CA_BUNDLE names .*bundle\.pem"):
        fetch(network(proxy, None, REQUESTS_CA_BUNDLE=str(path)), tmp_path / "part")


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        (URL, ("10.0.0.1",)),
        (URL, (PUBLIC, "192.168.0.1")),
        (URL, ("169.254.169.254",)),
        ("https://127.0.0.1/a", ("127.0.0.1",)),
        ("http://intranet/a", ("10.1.1.1",)),
        ("https://wiki/a", ()),
        ("https://printer.local/a", ()),
        ("https://metadata.google.internal/a", ()),
        ("https://10.0.0.1/a", ()),
        ("https://127.1/a", ()),
        ("https://0x7f000001/a", ()),
        ("https://[::1]/a", ()),
    ],
)
def test_addresses_inside_are_refused_before_the_proxy_is_asked(
    proxy: Proxy, authority: Path, tmp_path: Path, url: str, addresses: tuple[str, ...]
) -> None:
    with pytest.raises(NotAllowed, match="not a public internet address"):
        fetch(network(proxy, authority), tmp_path / "part", url, addresses)
    assert proxy.asked == []


def test_a_redirect_inside_is_refused_through_a_proxy_too(
    proxy: Proxy, authority: Path, tmp_path: Path
) -> None:
    def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC] if host == NAME else [host]

    download = Download(limit=1 << 30, network=network(proxy, authority), resolve=resolve, pause=0.001)
    with pytest.raises(NotAllowed, match=r"10\.0\.0\.1 is not a public"):
        download.fetch(f"https://{NAME}/inside", tmp_path / "part", lambda *_: None, threading.Event())
    assert len(proxy.asked) == 1


def test_names_that_only_the_proxy_knows_are_asked_for_by_name(
    proxy: Proxy, authority: Path, tmp_path: Path
) -> None:
    assert fetch(network(proxy, authority), tmp_path / "part", addresses=()) == BODY
    assert proxy.asked == [f"CONNECT {NAME}:443"]
    with pytest.raises(Offline, match="http links are not fetched by name"):
        fetch(network(proxy, authority), tmp_path / "part", f"http://{NAME}/a", ())


def test_a_proxy_that_wants_names_gets_the_name_and_the_certificate_decides(
    proxy: Proxy, authority: Path, tmp_path: Path
) -> None:
    proxy.refuse = lambda where: 403 if where[0].isdigit() else 0
    assert fetch(network(proxy, authority), tmp_path / "part") == BODY
    assert proxy.asked == [f"CONNECT {PUBLIC}:443", f"CONNECT {NAME}:443"]
    with pytest.raises(Offline, match="identity of the server could not be verified"):
        fetch(network(proxy, authority), tmp_path / "part", "https://rebinding.example.net/a")


def test_what_the_proxy_refuses_is_a_sentence(proxy: Proxy, authority: Path, tmp_path: Path) -> None:
    proxy.refuse = lambda where: 403
    with pytest.raises(NotAllowed, match=rf"does not let {NAME} through: the proxy answered 403 Not for you"):
        fetch(network(proxy, authority), tmp_path / "part")
    with pytest.raises(NotAllowed, match="often allow https links only"):
        fetch(network(proxy, authority), tmp_path / "part", f"http://{NAME}/a")


def test_a_proxy_with_a_password_gets_it_and_no_server_does(
    proxy: Proxy, authority: Path, tmp_path: Path
) -> None:
    proxy.refuse = lambda where: 407
    with pytest.raises(NotAllowed, match="asks for a user name and a password"):
        fetch(network(proxy, authority), tmp_path / "part")
    proxy.refuse = lambda where: 0
    logged_in = network(proxy, authority, HTTPS_PROXY=f"http://ada:s%40fe@{proxy.address}")
    assert fetch(logged_in, tmp_path / "part") == BODY
    assert proxy.headers[-1]["proxy-authorization"] == "Basic YWRhOnNAZmU="


def test_a_proxy_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Offline, match=r"The proxy 127\.0\.0\.1:9 cannot be reached"):
        fetch(Network(https_proxy="http://127.0.0.1:9"), tmp_path / "part")


@pytest.mark.parametrize(
    ("no_proxy", "straight"),
    [
        ("", False),
        (NAME, True),
        ("example.org", True),
        (".example.org", True),
        ("*", True),
        ("ample.org", False),
    ],
)
def test_names_in_no_proxy_are_reached_without(no_proxy: str, straight: bool) -> None:
    env = {"https_proxy": "http://proxy.example.org:3128", "no_proxy": f"localhost, {no_proxy}"}
    found = proxy_for(check_link(URL), Network.from_env(env))
    assert (found is None) == straight


def test_without_a_proxy_addresses_inside_stay_refused(tmp_path: Path) -> None:
    bypassed = Network(https_proxy="http://127.0.0.1:9", no_proxy="*")
    with pytest.raises(NotAllowed):
        fetch(bypassed, tmp_path / "part", addresses=("10.0.0.1",))


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "https://proxy:3128", "http://", "http://a:b:c"])
def test_a_proxy_of_another_kind_is_refused_by_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(BadInput, match="HTTPS_PROXY must be an address such as"):
        proxy_for(check_link(URL), Network(https_proxy=text))
