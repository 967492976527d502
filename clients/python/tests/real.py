"""The client against a real server with agents. tests/it/python_client.rs starts it, and says
in the environment where the server is, who asks, and which programs there are.
"""

import array
import asyncio
import concurrent.futures
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import medusa  # noqa: E402
import medusa.aio  # noqa: E402

try:
    import numpy
except ImportError:
    numpy = None

STEP, CRASH = os.environ["STEP"], os.environ["CRASH"]
SIZES = (128, 8192, 125_000)


def numbers(count, start=0.0):
    return array.array("d", (start + n for n in range(count)))


def step(x, *shards):
    """What the programs of these shards answer together: half of each number and their own."""
    total = array.array("d", (0.5 * v + s for v, s in zip(x, shards[0])))
    for shard in shards[1:]:
        total = array.array("d", (t + (0.5 * v + s) for t, v, s in zip(total, x, shard)))
    return total


class Real(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = medusa.connect()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def test_rounds_of_every_size_are_summed_and_paid(self):
        for count in SIZES:
            shards = [numbers(count), numbers(count, 1000.5)]
            x = numbers(count, 3)
            with self.client.session(STEP, shards, max_credits=2) as session:
                self.assertEqual(len(session), 2)
                for _ in range(3):
                    x, wanted = session.round(x, reduce="sum"), step(x, *shards)
                    self.assertEqual(x, wanted)
                for _ in range(100):
                    session.round(x, reduce="sum")
                stats = session.stats()
                self.assertEqual(stats.rounds, 103)
                self.assertTrue(0 < stats.p50 <= stats.p99)
                self.assertGreater(session.last.fuel, 0)
                print(f"{count * 8} bytes: p50 {stats.p50 * 1000:.3f} ms, "
                      f"p99 {stats.p99 * 1000:.3f} ms", file=sys.stderr)
            self.assertTrue(0 < session.cost < 2)
            view = self.client.look(session.id)
            self.assertEqual((view["state"], view["rounds"]), ("done", 103))

    @unittest.skipUnless(numpy, "numpy is not there")
    def test_arrays_come_back_in_their_dtype_and_shape(self):
        rows = numpy.arange(24.0).reshape(4, 6)
        with self.client.session(STEP, [rows, rows + 1], max_credits=2) as session:
            x = numpy.ones((4, 6))
            total = session.round(x, reduce="sum")
            numpy.testing.assert_array_equal(total, x + 2 * rows + 1)
            self.assertEqual((total.dtype, total.shape), (x.dtype, (4, 6)))
            total += 1  # It can be written to.
            parts = session.round(x[:, ::2])
            self.assertEqual([part.shape for part in parts], [(4, 3)] * 2)
            flat = rows.reshape(-1)[:12].reshape(4, 3)
            numpy.testing.assert_array_equal(parts[1], 0.5 + flat + 1)
            joined = session.round(x, reduce="concat")
            self.assertEqual(joined.shape, (48,))
            mean = session.round(x, reduce="mean")
            numpy.testing.assert_array_equal(mean, 0.5 * x + rows + 0.5)
            with self.assertRaises(TypeError):
                session.round(x.astype("i2"), reduce="sum")

    def test_shards_of_different_length_calls_and_futures(self):
        shards = [numbers(64), numbers(64, 5).tobytes() + bytes(40)]
        with self.client.session(STEP, shards, max_credits=2, depth=4) as session:
            x = numbers(64, 9)
            second = array.array("d", shards[1][:512])
            self.assertEqual(session.round(x), [step(x, shards[0]), step(x, second)])
            self.assertEqual(session[1].call(x), step(x, second))
            self.assertEqual(session.round(x.tobytes())[0], step(x, shards[0]).tobytes())
            futures = [session.submit_round(numbers(64, n), reduce="max") for n in range(40)]
            for n, future in enumerate(futures):
                self.assertEqual(future.result(30), step(numbers(64, n), second))
                self.assertGreater(future.answer.seconds, 0)
            asked = {session[n % 2].submit(numbers(64, n)): n for n in range(20)}
            for future in concurrent.futures.as_completed(asked, 30):
                n = asked[future]
                self.assertEqual(future.result(), step(numbers(64, n), (shards[0], second)[n % 2]))

    def test_what_is_refused_is_named_and_the_session_goes_on(self):
        with self.client.session(STEP, [numbers(16)] * 2, max_credits=2) as session:
            with self.assertRaises(medusa.RoundRefused) as refused:
                session.round(array.array("d", [float("nan")] * 16), reduce="sum")
            self.assertEqual(refused.exception.code, "sessions.nan")
            x = numbers(16, 2)
            futures = [session.submit_round(x), session.submit_round(bytes(12), reduce="sum"),
                       session.submit_round(x)]
            self.assertEqual(futures[0].result(30), futures[2].result(30))
            self.assertEqual(futures[1].exception(30).code, "sessions.shapes")
            session._line._sock.shutdown(2)
            with self.assertRaises(medusa.ConnectionLost):
                session.round(x)
            self.assertEqual(session.round(x), [step(x, numbers(16))] * 2)

    def test_a_program_that_crashes_says_how(self):
        with self.assertRaises(medusa.GuestError) as error:
            with self.client.session(CRASH, [numbers(8)], max_credits=2) as session:
                session.round(numbers(8), reduce="sum")
                session.round(numbers(8, 9e9), reduce="sum")
        self.assertIn("crashed", error.exception.outcome)
        self.assertIn("unreachable", error.exception.detail)
        self.assertEqual(error.exception.shard, 0)
        with self.assertRaises(medusa.GuestError):
            session.round(numbers(8))

    def test_what_the_wallet_does_not_cover_is_not_begun(self):
        with self.assertRaises(medusa.BudgetExceeded):
            self.client.session(STEP, 2, max_credits=1_000_000)
        with self.assertRaises(medusa.ApiError) as error:
            self.client.session(STEP, 2, max_credits="0.000001")
        self.assertEqual(error.exception.code, "sessions.budget")

    def test_an_executor_runs_the_program_for_each_value(self):
        values = [numbers(32, n) for n in range(100)]
        with self.client.executor(STEP, max_credits=2, workers=2) as executor:
            answers = list(executor.map(values, buffersize=30, timeout=60))
            # The first number of a shard is its text.
            for value, answer in zip(values, answers):
                self.assertEqual(list(answer[1:]), [0.5 * v for v in value[1:]])
            future = executor.submit(values[0])
            self.assertEqual(future.result(30), answers[0])
            self.assertIn(future.shard, (0, 1))
        with self.assertRaises(RuntimeError):
            executor.submit(values[0])

    def test_a_person_logs_in_and_uploads_in_parts(self):
        with medusa.login(os.environ["EMAIL"], os.environ["PASSWORD"]) as client:
            self.assertGreater(client.credits, 0)
            data = random.Random(7).randbytes(9 << 20)
            self.assertEqual(client.upload(data), client.upload(bytearray(data)))
            # A token that is no good any more is exchanged.
            client._http._token = "x.y.z"
            self.assertGreater(client.credits, 0)
        with self.assertRaises(medusa.ApiError) as error:
            medusa.login(os.environ["EMAIL"], "wrong")
        self.assertEqual(error.exception.code, "accounts.login_refused")

    def test_the_same_with_asyncio(self):
        async def story():
            shards = [numbers(125_000), numbers(125_000, 4)]
            async with medusa.aio.connect() as client:
                async with client.session(STEP, shards, max_credits=2, depth=4) as session:
                    x = numbers(125_000, 3)
                    self.assertEqual(await session.round(x, reduce="sum"), step(x, *shards))
                    y = numbers(64)
                    for _ in range(100):
                        await session.round(y, reduce="sum")
                    print(f"asyncio, 512 bytes: p50 {session.stats().p50 * 1000:.3f} ms",
                          file=sys.stderr)
                    futures = [await session.submit_round(numbers(64, n)) for n in range(20)]
                    for n, parts in enumerate(await asyncio.gather(*futures)):
                        self.assertEqual(parts[1], step(numbers(64, n), shards[1]))
                    self.assertEqual(await session[0].call(y), step(y, shards[0]))
                    with self.assertRaises(medusa.RoundRefused):
                        await session.round(bytes(12), reduce="sum")
                self.assertTrue(0 < await session.cost() < 2)
        asyncio.run(story())


if __name__ == "__main__":
    unittest.main()
