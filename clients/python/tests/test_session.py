"""Sessions against a home that does as it is told."""

import array
import concurrent.futures
import threading
import time
import unittest

from tests.fake import Home, Server, frame, greeting, message
import medusa
from medusa import _socket, _wire
from medusa.session import Session


def driven(home, depth=16):
    session = Session(Server(home.url), {"id": "ses_1", "home": {"url": home.url}}, depth, None)
    session._open(_socket.deadline(10))
    return session


class Rounds(unittest.TestCase):
    def test_answers_have_the_kind_of_what_was_sent(self):
        with Home(greeting(lambda line: line.echo())) as home, driven(home) as session:
            self.assertEqual(len(session), 2)
            for value in (b"", b"abc", bytes(300_000)):
                self.assertEqual(session.round(value), [value] * 2)
                self.assertEqual(session.round(bytearray(value), reduce="concat"), value)
            for code in "dfqi":
                value = array.array(code, [1, 2, 3])
                self.assertEqual(session.round(value), [value] * 2)
            view = memoryview(bytes(range(10)))[::3]
            self.assertEqual(session.round(view)[0], b"\x00\x03\x06\x09")
            self.assertEqual(session[1].call(b"x"), b"x")
            self.assertEqual((session.stats().rounds, session.stats().fuel), (12, 120))
            self.assertEqual(session.cost, medusa.client.Decimal("0.5"))

    def test_a_round_says_what_is_asked(self):
        heads = []

        def script(line):
            for _ in range(4):
                head, payload = line.read()
                heads.append(head)
                line.answer(head[4], payload)
            line.echo()

        with Home(greeting(script, round=41)) as home, driven(home) as session:
            session.round(array.array("f", [1]), reduce="weighted-mean")
            session.round(bytes(8), reduce="min", number="i64")
            session.round(bytes(8), reduce="sum")
            session[1].call(b"abc")
        self.assertEqual(heads, [(1, 3, 1, 0, 42, 4, 0, 0), (1, 4, 2, 0, 43, 8, 0, 0),
                                 (1, 1, 0, 0, 44, 8, 0, 0), (2, 0, 0, 1, 45, 3, 0, 0)])
        self.assertEqual(set(home.lines[0].keys), {bytes(4)})

    def test_what_cannot_be_sent_uses_up_no_round(self):
        with Home(greeting(lambda line: line.echo())) as home, driven(home) as session:
            for kind, wrong in ((TypeError, lambda: session.round([1.0])),
                                (TypeError, lambda: session.round("text")),
                                (TypeError, lambda: session.round(array.array("i", [1]), "sum")),
                                (ValueError, lambda: session.round(b"", reduce="median")),
                                (ValueError, lambda: session.round(b"", "sum", number="f16")),
                                (ValueError, lambda: session.round(bytes((64 << 20) + 1))),
                                (IndexError, lambda: session[2])):
                with self.assertRaises(kind):
                    wrong()
            self.assertEqual(session.round(b"x"), [b"x"] * 2)

    def test_parts_of_answers_come_between_each_other_with_metrics(self):
        def script(line):
            (one, _), (two, _) = line.read(), line.read()
            first = message(3, one[4], bytes([1]) * 300_000, reduce=1)
            second = message(3, two[4], bytes([2]) * 300_000, reduce=1)
            line.send(frame(2, message(4, one[4], b"loss 0.5\nacc 2\nodd", shard=1)[0]))
            for a, b in zip(first, second):
                line.send(frame(2, a[:20], fin=False), frame(9, b"?"), frame(0, a[20:]))
                line.send(frame(2, b))
            for _ in first:
                self.assertEqual(line.read(), (10, b"?"))
            line.echo()

        with Home(greeting(script)) as home, driven(home) as session:
            futures = [session.submit_round(b"a", "sum"), session.submit_round(b"b", "sum")]
            self.assertEqual([f.result(10)[:1] for f in futures], [b"\1", b"\2"])
            self.assertEqual([len(f.result()) for f in futures], [300_000] * 2)
            self.assertEqual(futures[0].answer.metrics, {1: {"loss": 0.5, "acc": 2.0}})

    def test_several_threads_and_futures_share_a_line(self):
        with Home(greeting(lambda line: line.echo())) as home, driven(home, depth=5) as session:
            def ask(n):
                for k in range(50):
                    value = b"%d %d" % (n, k)
                    if k % 3:
                        self.assertEqual(session.round(value), [value] * 2)
                    else:
                        self.assertEqual(session.submit_round(value).result(10), [value] * 2)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(ask, range(8)))
            self.assertEqual(session.stats().rounds, 400)

    def test_only_so_many_rounds_are_under_way(self):
        seen, gate = [], threading.Event()

        def script(line):
            for _ in range(3):
                seen.append(line.read())
            gate.wait(10)
            for head, payload in seen:
                line.answer(head[4], payload, payload)
            line.echo()

        with Home(greeting(script)) as home, driven(home, depth=3) as session:
            futures = [session.submit_round(b"%d" % n) for n in range(3)]
            with concurrent.futures.ThreadPoolExecutor() as pool:
                fourth = pool.submit(session.submit_round, b"3")
                time.sleep(0.05)
                self.assertFalse(fourth.done())
                self.assertFalse(futures[0].cancel())
                gate.set()
                futures.append(fourth.result(10))
            done = [f.result(10)[0] for f in futures]
            self.assertEqual(done, [b"0", b"1", b"2", b"3"])


class Errors(unittest.TestCase):
    def test_a_round_may_take_too_long_and_the_next_is_answered(self):
        def script(line):
            head, payload = line.read()
            [whole] = message(3, head[4], payload, shard=0)
            line.send(frame(2, whole)[:20])
            second, more = line.read()
            line.send(frame(2, whole)[20:])
            line.answer(head[4], payload, shard=1)
            line.answer(second[4], more, more)
            line.echo()

        with Home(greeting(script)) as home, driven(home) as session:
            with self.assertRaises(TimeoutError):
                session.round(b"slow", timeout=0.1)
            future = session.submit_round(b"quick")
            with self.assertRaises(TimeoutError):
                session.submit_round(b"x").result(0)
            self.assertEqual(future.result(10), [b"quick"] * 2)

    def test_refused_rounds_are_named_and_others_go_on(self):
        def script(line):
            heads = [line.read()[0] for _ in range(3)]
            line.say(**{"is": "refused"}, round=heads[1][4], shard=1, code="sessions.nan",
                     detail="shard 1 answers a NaN")
            line.say(**{"is": "refused"}, round=heads[2][4], shard=None,
                     code="sessions.hold_spent", detail="spent")
            line.answer(heads[0][4], b"1", b"2")
            line.echo()

        with Home(greeting(script)) as home, driven(home) as session:
            futures = [session.submit_round(b"x") for _ in range(3)]
            self.assertEqual(futures[0].result(10), [b"1", b"2"])
            nan, spent = futures[1].exception(10), futures[2].exception(10)
            self.assertIs(type(nan), medusa.RoundRefused)
            self.assertEqual((nan.round, nan.shard, nan.code), (2, 1, "sessions.nan"))
            self.assertIsInstance(spent, medusa.BudgetExceeded)
            self.assertEqual(session.round(b"y"), [b"y"] * 2)

    def test_the_end_of_a_session_says_why(self):
        for code, kind in (("sessions.guest", medusa.GuestError), (None, medusa.SessionEnded),
                           ("sessions.no_agents", medusa.AgentLost)):
            def script(line):
                line.read()
                line.say(**{"is": "lost"}, shard=1, round=1, detail="exit status 3: no file")
                line.ended(code, "shard 1 ended 3 times")

            with Home(greeting(script)) as home:
                session = driven(home)
                future = session.submit_round(b"x")
                with self.assertRaises(kind) as error:
                    future.result(10)
                self.assertEqual(error.exception.code, code)
                if code == "sessions.guest":
                    self.assertEqual(error.exception.outcome, "exit status 3")
                    self.assertEqual(error.exception.shard, 1)
                with self.assertRaises(kind):
                    session.round(b"y")
                if code:
                    with self.assertRaises(kind):
                        session.finish()
                session.close()

    def test_a_line_that_breaks_is_made_again(self):
        def first(line):
            line.read()

        def second(line):
            # Of the round before; nobody waits for it any more.
            line.answer(1, b"late", b"late")
            line.say(**{"is": "waiting"}, missing=1)
            line.ready(round=1)
            head, payload = line.read()
            assert head[4] == 2, head
            line.answer(2, payload, payload)
            line.echo()

        def shaken(line):
            line.shake_hands()
            second(line)

        with Home(greeting(first), shaken) as home, driven(home) as session:
            with self.assertRaises(medusa.ConnectionLost):
                session.round(b"x")
            self.assertEqual(session.round(b"y"), [b"y"] * 2)
            self.assertEqual(session._client.looks, 1)

    def test_numbers_out_of_step_begin_a_new_line(self):
        def first(line):
            line.read()
            line.say(**{"is": "refused"}, round=1, shard=None, code="sessions.round_number",
                     detail="the next round has number 8")
            line.read()

        with Home(greeting(first), greeting(lambda line: line.echo(), round=7)) as home, \
                driven(home) as session:
            with self.assertRaises(medusa.RoundRefused):
                session.round(b"x")
            self.assertEqual(session.round(b"y"), [b"y"] * 2)
            self.assertEqual(session.last.round, 8)

    def test_nonsense_is_no_answer(self):
        for nonsense in (frame(2, b"short"), frame(1, b"{}"), frame(1, b"["), b"\xff\xff",
                         frame(2, message(1, 1, b"")[0]),
                         frame(2, message(3, 1, bytes(200_000))[1])):
            def script(line):
                line.read()
                line.send(nonsense)
                line.read()

            with Home(greeting(script)) as home:
                session = driven(home)
                with self.assertRaises(medusa.ProtocolError):
                    session.round(b"x")
                session.close()

    def test_a_home_that_is_none_is_refused(self):
        for script in (lambda line: line.shake_hands(accept="AAAA"),
                       lambda line: line.shake_hands(protocol="medusa.session.v9"),
                       lambda line: line.send(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
                       lambda line: None):
            with Home(script) as home:
                with self.assertRaises((medusa.ProtocolError, medusa.ConnectionLost)):
                    driven(home)

    def test_a_session_without_agents_is_given_up(self):
        said = []

        def script(line):
            line.shake_hands()
            line.say(**{"is": "waiting"}, missing=2)
            said.append(line.read())

        with Home(script) as home:
            session = Session(Server(home.url), {"id": "s", "home": {"url": home.url}}, 4, None)
            with self.assertRaises(TimeoutError):
                session._open(_socket.deadline(0.1))
        self.assertEqual(said, [{"do": "finish"}])

    def test_an_error_in_the_block_is_the_one_that_comes_out(self):
        with Home(greeting(lambda line: line.echo())) as home:
            with self.assertRaises(ZeroDivisionError):
                with driven(home) as session:
                    session.round(b"x")
                    raise ZeroDivisionError
            with self.assertRaises(medusa.SessionEnded):
                session.round(b"x")


class Executors(unittest.TestCase):
    def test_answers_come_in_order_and_errors_at_their_result(self):
        def script(line):
            while isinstance(got := line.read(), tuple):
                (_, _, _, shard, round, *_), payload = got
                if payload == b"13":
                    line.say(**{"is": "refused"}, round=round, shard=shard, code="sessions.x",
                             detail="unlucky")
                else:
                    line.answer(round, payload * 2, shard=shard)
            line.ended()

        with Home(greeting(script)) as home:
            with medusa.Executor(driven(home, 64)) as executor:
                values = [b"%d" % n for n in range(200) if n != 13]
                self.assertEqual(list(executor.map(values)), [v * 2 for v in values])
                future = executor.submit(b"13")
                with self.assertRaises(medusa.RoundRefused):
                    future.result(10)
                self.assertIsInstance(executor.submit([]).exception(10), TypeError)
                futures = {executor.submit(v): v for v in values}
                for future in concurrent.futures.as_completed(futures, 10):
                    self.assertEqual(future.result(), futures[future] * 2)
            with self.assertRaises(RuntimeError):
                executor.submit(b"x")

    def test_a_generator_is_taken_only_as_far_as_wanted(self):
        taken = []

        def values():
            for n in range(100):
                taken.append(n)
                yield b"%d" % n

        with Home(greeting(lambda line: line.echo())) as home:
            with medusa.Executor(driven(home, 64)) as executor:
                answers = executor.map(values(), buffersize=3)
                self.assertEqual(len(taken), 3)
                self.assertEqual(next(answers), b"0")
                self.assertEqual(len(taken), 4)
                self.assertEqual(len(list(answers)), 99)
                for wrong in ({"buffersize": 0}, {"chunksize": 0}):
                    with self.assertRaises(ValueError):
                        executor.map([], **wrong)

    def test_what_was_not_sent_can_be_cancelled(self):
        gate = threading.Event()

        def script(line):
            gate.wait(10)
            line.echo()

        with Home(greeting(script)) as home:
            executor = medusa.Executor(driven(home, 64))
            futures = [executor.submit(b"x") for _ in range(40)]
            self.assertTrue(futures[-2].cancel())
            with self.assertRaises(TimeoutError):
                list(executor.map([b"y"], timeout=0.01))
            executor.shutdown(wait=False, cancel_futures=True)
            gate.set()
            executor.shutdown()
            self.assertEqual([f.cancelled() for f in futures], [False] * 16 + [True] * 24)
            self.assertEqual({f.result() for f in futures[:16]}, {b"x"})


class Lines(unittest.TestCase):
    def test_only_lines_that_strangers_could_read_have_keys_by_chance(self):
        for url, private in (("ws://127.0.0.1:1/x", True), ("ws://localhost/x", True),
                             ("ws://[::1]:4/x", True), ("wss://medusa.example/x", True),
                             ("ws://medusa.example/x", False), ("ws://10.0.0.1:80/x", False)):
            self.assertIs(_socket.Address(url).is_private(), private, url)
        with self.assertRaises(medusa.ProtocolError):
            _socket.Address("http://medusa.example")

    def test_masked_lines_work_as_well(self):
        with Home(greeting(lambda line: line.echo())) as home, driven(home) as session:
            session._line.masker = _wire.Masker(False)
            value = bytes(range(256)) * 1200
            self.assertEqual(session.round(value), [value] * 2)
        self.assertNotIn(bytes(4), home.lines[0].keys)


if __name__ == "__main__":
    unittest.main()
