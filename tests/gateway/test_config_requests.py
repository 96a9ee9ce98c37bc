"""What becomes of a request and its answer on the way: ids, addresses, TLS, streams, connections."""

import asyncio
import datetime
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ragops.gateway.frontend import TLS_OFFSET
from tests.gateway.gateway import Gateway, run_gateway
from tests.gateway.pods import Pod, run_pods


async def serve(gateway: Gateway, pod: Pod) -> None:
    """Takes the pod in."""
    gateway.list_pods("api", pod.address)
    await gateway.wait_for("api", pod.address)


async def test_request_ids(haproxy: str) -> None:
    """A good one is kept, any other replaced; the pod and the client see the same one."""
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, pod)
        kept = await gateway.ask("api", headers={"X-Request-Id": "a.B-1_/:+="})
        assert kept.headers["X-Request-Id"] == kept.body["headers"]["X-Request-ID"] == "a.B-1_/:+="
        offered: list[str] = ["", "a b", 'a"b', "x" * 129, "{}", "%[src]"]
        replaced = [await gateway.ask("api", headers={"X-Request-Id": text}) for text in offered]
        replaced.append(await gateway.ask("api"))
        made = [answer.headers["X-Request-Id"] for answer in replaced]
        assert all(len(text) == 36 for text in made)
        assert len(set(made)) == len(made)
        assert made == [answer.body["headers"]["X-Request-ID"] for answer in replaced]


async def test_clients_cannot_speak_for_the_gateway(haproxy: str) -> None:
    """What they say about addresses is dropped, in any spelling; Host is left as it is."""
    lies = {
        "X-Forwarded-For": "10.9.9.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil",
        "X-Forwarded-Prefix": "/evil",
        "X_Forwarded_For": "10.9.9.9",
        "X-Real-IP": "10.9.9.9",
        "Forwarded": "for=10.9.9.9",
        "Host": "rag.example",
    }
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, pod)
        answer = await gateway.ask("api", headers=lies)
        got = {name.lower(): value for name, value in answer.body["headers"].items()}
        assert got["x-forwarded-for"] == "127.0.0.1"
        assert got["x-forwarded-proto"] == "http"
        assert got["host"] == "rag.example"
        assert not [value for value in got.values() if "evil" in value or "10.9.9.9" in value]


async def test_the_log_has_the_agreed_fields_and_nothing_of_the_client(haproxy: str) -> None:
    """One line a request, also of one that gets to no pod."""
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {}}) as gateway:
        await gateway.ask("api", path="/secret?token=1")
        backend, server, first_byte, _, _, status, state, retries = await gateway.logged()
        assert (backend, server, first_byte, status, state, retries) == (
            "api.stable",
            "-",
            "-1",
            "503",
            "SC",
            "0",
        )
        await serve(gateway, pod)
        await gateway.ask("api", path="/secret?token=1")
        backend, server, first_byte, whole, queued, status, state, retries = await gateway.logged()
        assert (backend, server, queued, status, state, retries) == (
            "api.stable",
            "pod1",
            "0",
            "200",
            "--",
            "0",
        )
        assert 0 <= int(first_byte) <= int(whole)


async def test_websocket(haproxy: str) -> None:
    """The connection is handed through, and stays while it is silent for longer than an answer may be."""
    services = {"api": {"loadBalancing": {"responseTimeoutSeconds": 1}}}
    async with run_pods(1) as (pod,), run_gateway(haproxy, services) as gateway:
        await serve(gateway, pod)
        async with gateway.session.ws_connect(gateway.url("api", "/socket")) as connection:
            for text in ("one", "two"):
                await connection.send_str(text)
                assert await connection.receive_str() == f"{pod.address}: {text}"
                with pytest.raises(TimeoutError):
                    await connection.receive(timeout=1.5)


async def test_a_stream_may_last_longer_than_a_silence(haproxy: str) -> None:
    """Each part gets to the client when it is there, not together with the next."""
    services = {"api": {"loadBalancing": {"responseTimeoutSeconds": 1}}}
    async with run_pods(1) as (pod,), run_gateway(haproxy, services) as gateway:
        await serve(gateway, pod)
        url = gateway.url("api", "/stream?events=10&pause=0.15")
        async with gateway.session.get(url) as answer:
            parts = [part async for part in answer.content.iter_any()]
        assert parts == [f"data: {number}\n\n".encode() for number in range(10)]
        with pytest.raises(aiohttp.ClientPayloadError):
            await gateway.ask("api", path="/stream?events=2&pause=3")


async def test_a_silent_pod_is_a_gateway_timeout(haproxy: str) -> None:
    """In the shape of all errors."""
    services = {"api": {"loadBalancing": {"responseTimeoutSeconds": 1}}}
    async with run_pods(1) as (pod,), run_gateway(haproxy, services) as gateway:
        await serve(gateway, pod)
        pod.hold = asyncio.Event()
        answer = await gateway.ask("api", "POST")
        assert (answer.status, answer.error) == (504, "gateway_timeout")
        pod.hold.set()


async def test_a_large_upload(haproxy: str) -> None:
    """Far above the size of HAProxy's buffers."""
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, pod)
        answer = await gateway.ask("api", "POST", data=b"x" * 10_000_000)
        assert answer.body["body"] == 10_000_000


async def test_only_http_1(haproxy: str) -> None:
    """A client that begins HTTP/2 on the plain port gets no further."""
    async with run_gateway(haproxy, {"api": {}}) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["api"])
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_tls(haproxy: str, tmp_path: Path) -> None:
    """Beside the plain port, with the files of a kubernetes.io/tls Secret; pods are told which one it was."""
    trusted = make_certificate(tmp_path)
    tls = {"tls": {"secretName": "cert"}}
    async with (
        run_pods(1) as (pod,),
        run_gateway(haproxy, {"api": {}}, gateway=tls, tls=tmp_path) as gateway,
    ):
        await serve(gateway, pod)
        url = f"https://localhost:{gateway.ports['api'] + TLS_OFFSET}/"
        async with gateway.session.get(url, ssl=trusted) as answer:
            told = await answer.json()
        assert told["headers"]["X-Forwarded-Proto"] == "https"
        plain = await gateway.ask("api")
        assert plain.body["headers"]["X-Forwarded-Proto"] == "http"


def make_certificate(directory: Path) -> ssl.SSLContext:
    """Writes tls.crt and tls.key for localhost; gives what trusts them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return ssl.create_default_context(cafile=directory / "tls.crt")
