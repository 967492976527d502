"""Encrypted lines: large payloads, several threads and a timeout, and who is not believed."""

import asyncio
import concurrent.futures
import os
import shutil
import ssl
import subprocess
import tempfile
import unittest

from tests.fake import Home, Server, greeting
from tests.test_aio import Client
import medusa
from medusa import _socket, aio
from medusa.session import Session


@unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificate")
class Encrypted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key, cert = os.path.join(folder.name, "key"), os.path.join(folder.name, "cert")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                        "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(cert, key)
        self.trusting = ssl.create_default_context(cafile=cert)

    def home(self, *scripts):
        home = Home(*scripts, tls=self.server)
        home.secure = home.url.replace("ws://127.0.0.1", "wss://localhost")
        return home

    def driven(self, home, tls):
        view = {"id": "ses_1", "home": {"url": home.secure}}
        session = Session(Server(home.secure), view, 16, tls)
        session._open(_socket.deadline(10))
        return session

    def test_rounds_of_several_threads_go_through(self):
        value = bytes(range(256)) * 8000
        with self.home(greeting(lambda line: line.echo())) as home, \
                self.driven(home, self.trusting) as session:
            self.assertTrue(session._line.masker.plain)

            def ask(n):
                self.assertEqual(session.round(value, timeout=30), [value] * 2)
                self.assertEqual(session.submit_round(value).result(30), [value] * 2)

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                list(pool.map(ask, range(8)))

    def test_a_round_may_take_too_long(self):
        def script(line):
            line.read()
            line.echo()

        with self.home(greeting(script)) as home, self.driven(home, self.trusting) as session:
            with self.assertRaises(TimeoutError):
                session.round(b"x", timeout=0.1)
            self.assertEqual(session.round(b"y", timeout=10), [b"y"] * 2)

    def test_the_same_with_asyncio(self):
        value = bytes(2_000_000)

        async def story(home):
            home_view = {"id": "s", "home": {"url": home.secure}}
            session = aio.Session(Client(home), home_view, 16, self.trusting)
            await session._open(10)
            futures = [await session.submit_round(value) for _ in range(4)]
            self.assertEqual(await asyncio.gather(*futures), [[value] * 2] * 4)
            await session.finish()

        with self.home(greeting(lambda line: line.echo())) as home:
            asyncio.run(story(home))

    def test_a_stranger_is_not_believed(self):
        home = self.home(lambda line: line.read_frame())
        with self.assertRaises(medusa.ConnectionLost):
            self.driven(home, None)
        home.thread.join(10)
        home.listener.close()


if __name__ == "__main__":
    unittest.main()
