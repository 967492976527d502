"""Arrays of numpy in rounds; left out where it is not installed."""

import unittest

from tests.fake import Home, greeting
from tests.test_session import driven

try:
    import numpy
except ImportError:
    numpy = None


@unittest.skipUnless(numpy, "numpy is not there")
class Arrays(unittest.TestCase):
    def test_arrays_come_back_in_their_dtype_and_shape(self):
        with Home(greeting(lambda line: line.echo())) as home, driven(home) as session:
            for dtype in ("f8", "f4", "i8", "u1", "i2", "?", "c16", ">f8", ">i4"):
                value = numpy.arange(24).reshape(2, 3, 4).astype(dtype)
                for part in session.round(value):
                    numpy.testing.assert_array_equal(part, value)
                    self.assertEqual(part.shape, value.shape)
                    self.assertEqual(part.dtype, value.dtype.newbyteorder("="))
                    self.assertTrue(part.flags.writeable)
            for value in (numpy.arange(10.0)[::3], numpy.ones((3, 4)).T, numpy.float64(2.5),
                          numpy.empty((0, 3)), numpy.ones(300_000)):
                back = session.round(value, reduce="sum")
                numpy.testing.assert_array_equal(back, value)
                self.assertEqual(back.shape, value.shape)
            raw = session.round(numpy.ones(2), dtype=bytes)
            self.assertEqual(raw[0], numpy.ones(2).tobytes())
            again = session.round(numpy.ones((2, 2)), dtype="u4")
            self.assertEqual((again[0].shape, again[0].dtype.str), ((8,), "<u4"))
            floats = session.round(bytes(16), dtype="f8")
            numpy.testing.assert_array_equal(floats[0], [0, 0])

    def test_the_dtype_says_what_is_put_together(self):
        heads = []

        def script(line):
            for _ in range(4):
                head, payload = line.read()
                heads.append(head[1:3])
                line.answer(head[4], payload)
            line.echo()

        with Home(greeting(script)) as home, driven(home) as session:
            for dtype in ("f8", "f4", "i8", ">f8"):
                session.round(numpy.ones(3, dtype), reduce="mean")
            for dtype in ("i4", "u8", "f2", "?"):
                with self.assertRaises(TypeError):
                    session.round(numpy.ones(3, dtype), reduce="sum")
            with self.assertRaises(TypeError):
                session.round(numpy.array([None]))
        self.assertEqual(heads, [(2, 0), (2, 1), (2, 2), (2, 0)])

    def test_an_answer_that_is_no_array_of_the_dtype_says_so(self):
        def script(line):
            head, _ = line.read()
            line.answer(head[4], bytes(12), bytes(16))
            line.echo()

        with Home(greeting(script)) as home, driven(home) as session:
            with self.assertRaisesRegex(ValueError, "12 bytes"):
                session.round(numpy.ones(2))
            numpy.testing.assert_array_equal(session.round(numpy.ones(2))[0], [1, 1])


if __name__ == "__main__":
    unittest.main()
