"""The asyncio client against a home that does as it is told."""

import array
import asyncio
import unittest

from tests.fake import Home, Server, frame, greeting, message
import medusa
from medusa import aio


class Client:
    def __init__(self, home):
        self._blocking = Server(home.url)

    async def look(self, session):
        return self._blocking.look(session)


async def driven(home, depth=16, timeout=10):
    session = aio.Session(Client(home), {"id": "ses_1", "home": {"url": home.url}}, depth, None)
    await session._open(timeout)
    return session


def told(story, *scripts):
    """Runs a story with a session at a home with these scripts."""
    async def whole(home):
        async with await driven(home) as session:
            await story(session)

    with Home(*scripts) as home:
        asyncio.run(whole(home))


class Rounds(unittest.TestCase):
    def test_answers_have_the_kind_of_what_was_sent(self):
        async def story(session):
            for value in (b"", b"abc", bytes(3_000_000), array.array("d", [1, 2])):
                self.assertEqual(await session.round(value), [value] * 2)
            futures = [await session.submit_round(b"%d" % n, "sum") for n in range(100)]
            answers = await asyncio.gather(*futures)
            self.assertEqual(answers, [b"%d" % n for n in range(100)])
            self.assertEqual(await session[1].call(b"x"), b"x")
            self.assertEqual(await session.cost(), aio.Decimal("0.5"))
            self.assertEqual(session.stats().rounds, 105)

        told(story, greeting(lambda line: line.echo()))

    def test_pieces_pings_and_metrics_are_taken_apart(self):
        def script(line):
            head, payload = line.read()
            one, two = message(3, head[4], bytes(range(200)) * 1000)
            line.send(frame(9, b"?"), frame(2, message(4, head[4], b"loss 2", shard=0)[0]),
                      frame(2, one[:9], fin=False), frame(9, b"!"), frame(0, one[9:]),
                      frame(2, two))
            assert line.read() == (10, b"?") and line.read() == (10, b"!")
            line.echo()

        async def story(session):
            self.assertEqual(await session.round(b"x", "sum"), bytes(range(200)) * 1000)
            self.assertEqual(session.last.metrics, {0: {"loss": 2.0}})

        told(story, greeting(script))

    def test_a_round_may_take_too_long(self):
        def script(line):
            (first, _), (second, more) = line.read(), line.read()
            line.answer(first[4], b"late", b"late")
            line.answer(second[4], more, more)
            line.echo()

        async def story(session):
            with self.assertRaises(TimeoutError):
                await session.round(b"slow", timeout=0.05)
            self.assertEqual(await session.round(b"y"), [b"y"] * 2)

        told(story, greeting(script))

    def test_a_line_that_breaks_is_made_again(self):
        async def story(session):
            with self.assertRaises(medusa.ConnectionLost):
                await session.round(b"x")
            self.assertEqual(await session.round(b"y"), [b"y"] * 2)
            self.assertEqual(session.last.round, 2)

        told(story, greeting(lambda line: line.read()),
             greeting(lambda line: line.echo(), round=1))

    def test_refusals_and_the_end_have_their_errors(self):
        def script(line):
            head, _ = line.read()
            line.say(**{"is": "refused"}, round=head[4], shard=0, code="sessions.nan", detail="NaN")
            line.read()
            line.say(**{"is": "lost"}, shard=0, round=2, detail="exit status 1: oh")
            line.ended("sessions.guest", "it ended 3 times")

        async def story(session):
            with self.assertRaises(medusa.RoundRefused):
                await session.round(b"x")
            with self.assertRaises(medusa.GuestError) as error:
                await session.round(b"x")
            self.assertEqual(error.exception.outcome, "exit status 1")

        with self.assertRaises(medusa.GuestError):
            told(story, greeting(script))

    def test_nonsense_is_no_answer(self):
        def script(line):
            line.read()
            line.send(frame(2, b"short"))
            line.read()

        async def story(home):
            session = await driven(home)
            with self.assertRaises(medusa.ProtocolError):
                await session.round(b"x")
            session.close()
            with self.assertRaises(medusa.SessionEnded):
                await session.round(b"x")

        with Home(greeting(script)) as home:
            asyncio.run(story(home))

    def test_homes_that_are_none_and_sessions_without_agents_are_given_up(self):
        async def refused(home):
            with self.assertRaises((medusa.ProtocolError, medusa.ConnectionLost)):
                await driven(home)

        for script in (lambda line: line.shake_hands(accept="AAAA"),
                       lambda line: line.send(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
                       lambda line: None):
            with Home(script) as home:
                asyncio.run(refused(home))

        said = []

        def lonely(line):
            line.shake_hands()
            line.say(**{"is": "waiting"}, missing=1)
            said.append(line.read())

        async def late(home):
            with self.assertRaises(TimeoutError):
                await driven(home, timeout=0.1)

        with Home(lonely) as home:
            asyncio.run(late(home))
        self.assertEqual(said, [{"do": "finish"}])


if __name__ == "__main__":
    unittest.main()
