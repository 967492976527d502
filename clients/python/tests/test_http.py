"""Requests: tokens, keys, problem documents, uploads, and what a session is asked for."""

import array
import base64
import hashlib
import http.server
import io
import json
import os
import tempfile
import threading
import unittest
import zipfile

from tests.fake import Home, greeting
import medusa
from medusa._request import credits, cut

DONE = {"id": "upl_1", "state": "done", "received": 0, "part_bytes": 8 << 20}


class Fake(http.server.ThreadingHTTPServer):
    """Gives the next answer to each request, and keeps the requests."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = list(answers), []
        self.url = f"http://127.0.0.1:{self.server_port}/base/"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def __exit__(self, *error):
        self.shutdown()
        super().__exit__(*error)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.server.answers.pop(0)
        if status is None:
            self.close_connection = True
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Requests(unittest.TestCase):
    def test_a_refused_token_is_exchanged_once(self):
        with Fake((200, {"access_token": "a1", "refresh_token": "r1"}), (401, {"code": "x"}),
                  (200, {"access_token": "a2", "refresh_token": "r2"}),
                  (200, {"available": "3.25"})) as fake:
            with medusa.login("a@b", "secret", fake.url) as client:
                self.assertEqual(str(client.credits), "3.25")
            paths = [(method, path) for method, path, _, _ in fake.asked]
            self.assertEqual(paths, [("POST", "/base/v1/login"), ("GET", "/base/v1/wallet"),
                                     ("POST", "/base/v1/tokens/refresh"),
                                     ("GET", "/base/v1/wallet")])
            bearers = [headers.get("Authorization") for _, _, headers, _ in fake.asked]
            self.assertEqual(bearers, [None, "Bearer a1", None, "Bearer a2"])
            self.assertEqual(json.loads(fake.asked[2][3]), {"refresh_token": "r1"})

    def test_what_may_be_repeated_is_with_the_same_key(self):
        busy = (503, {"code": "platform.busy", "detail": "busy", "retry_after": 0.01})
        with Fake((None, None), busy, (201, {"id": "ses_1"})) as fake:
            with medusa.connect(fake.url, "t") as client:
                client._http.call("POST", "/v1/sessions", {})
            keys = {headers["Idempotency-Key"] for _, _, headers, _ in fake.asked}
            self.assertEqual((len(fake.asked), len(keys)), (3, 1))

    def test_refusals_are_errors_with_their_codes(self):
        short = {"code": "billing.credits_short", "detail": "short"}
        with Fake((404, {"code": "platform.not_found", "detail": "no such session"}),
                  (402, short), (502, b"<html>"), (502, b"<html>"), (502, b"<html>"),
                  (502, b"<html>")) as fake, medusa.connect(fake.url, "t") as client:
            with self.assertRaises(medusa.ApiError) as error:
                client.look("ses_1")
            self.assertEqual((error.exception.status, error.exception.code),
                             (404, "platform.not_found"))
            with self.assertRaises(medusa.BudgetExceeded):
                client.sessions()
            with self.assertRaises(medusa.ApiError) as error:
                client.sessions()
            self.assertEqual(error.exception.code, "client.foreign_answer")
        with self.assertRaises(medusa.ConnectionLost):
            medusa.login("a", "b", "http://127.0.0.1:9")

    def test_what_is_missing_is_named(self):
        for name in ("MEDUSA_URL", "MEDUSA_TOKEN"):
            kept = os.environ.pop(name, None)
            if kept is not None:
                self.addCleanup(os.environ.__setitem__, name, kept)
        for wrong in (lambda: medusa.connect(), lambda: medusa.connect("http://a"),
                      lambda: medusa.login("a", "b"), lambda: medusa.connect("ftp://a", "t")):
            with self.assertRaises(ValueError):
                wrong()

    def test_uploads_carry_their_digest_and_large_ones_go_in_parts(self):
        data = bytes(20 << 20)
        opened = {**DONE, "state": "open"}
        with Fake((201, {}), (201, opened), (200, {**opened, "received": 8 << 20}),
                  (200, {**opened, "received": 16 << 20}), (200, {**DONE, "state": "joining"}),
                  (200, DONE), (201, {**DONE, "state": "refused"})) as fake, \
                medusa.connect(fake.url, "t") as client, tempfile.TemporaryDirectory() as folder:
            client.upload(b"abc")
            client.upload(bytearray(b"abc"))
            digest = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
            self.assertEqual(fake.asked[0][2]["Content-Digest"], f"sha-256=:{digest}:")
            path = os.path.join(folder, "input")
            with open(path, "wb") as file:
                file.write(data)
            self.assertEqual(client.upload(path), hashlib.sha256(data).hexdigest())
            parts = [(path.rpartition("/")[2], len(body)) for method, path, _, body in fake.asked
                     if method == "PUT"]
            self.assertEqual(parts, [("0", 8 << 20), (str(8 << 20), 8 << 20),
                                     (str(16 << 20), 4 << 20)])
            with self.assertRaises(medusa.MedusaError):
                client.upload(bytes(9 << 20))

    def test_a_session_is_asked_for_and_programs_are_uploaded_once(self):
        with Home(greeting(lambda line: line.echo()), greeting(lambda line: line.echo())) as home:
            opened = (201, {"id": "ses_1", "home": {"url": home.url}})
            with Fake((201, {}), (201, {"id": "prg_7"}), (201, {}), opened, opened) as fake, \
                    medusa.connect(fake.url, "t") as client:
                with client.session(b"\0asm", [b"ab", b"cd"], max_credits=0.5, spares=1,
                                    memory_mib=64, args=["x"], remembers=True) as session:
                    self.assertEqual(session.round(b"x"), [b"x"] * 2)
                client.session(b"\0asm", 2, max_credits="1.25").finish()
                body = json.loads(fake.asked[3][3])
                self.assertEqual(body["program"], "prg_7")
                self.assertEqual(body["input"], hashlib.sha256(b"abcd").hexdigest())
                self.assertEqual(body["spec"], {
                    "name": "session", "args": ["x"], "split": {"by": "bytes", "bytes": 2},
                    "copies": 1, "memory_mib": 64, "priority": "standard"})
                rest = {key: body[key] for key in ("spares", "budget", "keep_nan", "remembers")}
                self.assertEqual(rest, {"spares": 1, "budget": "0.5", "keep_nan": False,
                                        "remembers": True})
                self.assertEqual(json.loads(fake.asked[4][3])["input"], None)
                for wrong in ({}, {"shards": [b"x"], "split": {}}, {"shards": []},
                              {"shards": 0}):
                    with self.assertRaises(ValueError):
                        client.session("prg_1", max_credits=1, **wrong)
                with self.assertRaises(TypeError):
                    client.session("prg_1", b"one", max_credits=1)


class Shards(unittest.TestCase):
    def test_equal_shards_lie_behind_each_other_and_others_in_an_archive(self):
        source, split = cut([array.array("f", [1, 2]), bytes(8), b"x"])
        self.assertEqual(split, {"by": "bytes", "bytes": 8})
        self.assertEqual(source.size, 17)
        shards = [b"x" * (n % 3) for n in range(120)]
        source, split = cut(shards)
        self.assertEqual(split, {"by": "files"})
        with zipfile.ZipFile(io.BytesIO(bytes(source.part(0, source.size)))) as archive:
            names = archive.namelist()
            self.assertEqual(names, sorted(names))
            self.assertEqual([archive.read(name) for name in names], shards)
        self.assertEqual(cut(shards)[0].sha256, source.sha256)
        self.assertEqual(cut(3)[1], {"by": "range", "from": 0, "to": 3, "step": 1})

    def test_amounts_are_exact(self):
        self.assertEqual([credits(n) for n in (1, 0.1, "2.50", 1e-6)],
                         ["1", "0.1", "2.50", "0.000001"])
        for wrong in (0, -1, "x", 0.0000001, float("nan"), float("inf")):
            with self.assertRaises(ValueError):
                credits(wrong)


if __name__ == "__main__":
    unittest.main()
