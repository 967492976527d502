"""Frames in any pieces, masks, heads, and what is refused."""

import unittest

from tests.fake import HEAD, frame, message
from medusa._wire import (BINARY, PART_BYTES, Head, Masker, Reader, frame_head, mask)
from medusa.errors import ProtocolError


class Sink:
    def __init__(self):
        self.found = []
        self.rooms = {}

    def place(self, head):
        if head.round == 99:
            return None
        if head.offset == 0:
            self.rooms[head.round] = bytearray(head.total)
        return memoryview(self.rooms[head.round])

    def part(self, head, size):
        self.found.append(("part", head.round, head.offset, size))

    def text(self, text):
        self.found.append(("text", text))

    def control(self, opcode, payload):
        self.found.append((opcode, payload))


def feed(data, step):
    """Reads bytes, at most so many at a time."""
    sink = Sink()
    reader = Reader(sink)
    view = memoryview(data)
    while len(view):
        room = reader.buffer()
        assert len(room) > 0
        size = min(step, len(room), len(view))
        room[:size] = view[:size]
        view = view[size:]
        reader.received(size)
    return sink


class Reading(unittest.TestCase):
    def test_payloads_of_any_length_come_in_any_pieces(self):
        for size in (0, 1, 93, 94, 125, 126, 16352, 65503, 65504, PART_BYTES, PART_BYTES + 1,
                     3 * PART_BYTES - 5):
            payload = bytes(n * 7 % 251 for n in range(size))
            data = b"".join(frame(2, one) for one in message(3, 5, payload))
            for step in (1, 3, 100, 16 << 10, 1 << 20):
                if size > 70000 and step < 100:
                    continue
                sink = feed(data, step)
                self.assertEqual(sink.rooms[5], payload, (size, step))
                self.assertEqual(sum(part[3] for part in sink.found), size)
                self.assertEqual(len(sink.found), max(1, -(-size // PART_BYTES)))

    def test_fragments_with_control_frames_between_them_are_one_message(self):
        [whole] = message(3, 7, bytes(range(200)))
        pieces = [whole[:10], whole[10:33], b"", whole[33:100], whole[100:]]
        data = b""
        for n, piece in enumerate(pieces):
            data += frame(0 if n else 2, piece, fin=n == len(pieces) - 1) + frame(9, b"beat")
        data += frame(1, b'{"is":', fin=False) + frame(10, b"") + frame(0, b'"x"}')
        for step in (1, 7, 5000):
            sink = feed(data, step)
            self.assertEqual(sink.rooms[7], bytes(range(200)))
            self.assertEqual(sink.found[:5], [(9, b"beat")] * 4 + [("part", 7, 0, 200)])
            self.assertEqual(sink.found[5:], [(9, b"beat"), (10, b""), ("text", '{"is":"x"}')])

    def test_what_nobody_waits_for_is_passed_over(self):
        data = b"".join(frame(2, one) for one in message(3, 99, bytes(300_000)))
        data += frame(2, message(3, 1, b"abc")[0])
        sink = feed(data, 1 << 20)
        self.assertEqual(sink.rooms, {1: b"abc"})

    def test_what_is_no_message_is_refused(self):
        good = message(3, 1, b"abcdef")[0]
        long = HEAD.pack(1, 3, 0, 0, 0, 1, 3, 0, 0) + b"abcdef"
        huge = HEAD.pack(1, 3, 0, 0, 0, 1, (64 << 20) + 1, 0, 0)
        outside = HEAD.pack(1, 3, 0, 0, 0, 1, 3, 4, 0)
        masked = bytearray(frame(2, good))
        masked[1] |= 0x80
        for data in (masked, b"\xc2" + frame(2, good)[1:], frame(2, b"\2" + good[1:]),
                     frame(2, good[:31]), frame(0, good), frame(2, long), frame(2, huge),
                     frame(2, outside), frame(2, good, fin=False) + frame(2, good),
                     frame(3, good), frame(9, b"", fin=False), frame(9, bytes(126)),
                     frame(1, b"\xff")):
            with self.assertRaises(ProtocolError, msg=data[:50]):
                feed(bytes(data), 1 << 20)


class Masks(unittest.TestCase):
    def test_a_mask_is_undone_by_itself(self):
        for size in (0, 1, 2, 3, 4, 5, 1000, 131_073):
            data = bytes(n * 31 % 256 for n in range(size))
            masked = mask(memoryview(data), b"\1\2\3\4")
            self.assertEqual(masked, bytes(b ^ (n % 4 + 1) for n, b in enumerate(data)))
            self.assertEqual(mask(memoryview(masked), b"\1\2\3\4"), data)

    def test_every_frame_is_masked_and_a_strangers_line_by_chance(self):
        payload = memoryview(bytes(2 * PART_BYTES + 1))
        head = Head(1, 0, 0, 0, 1, len(payload), 0, 0)
        for plain in (True, False):
            pieces = Masker(plain).messages(head, payload)
            data = b"".join(pieces)
            keys = set()
            while data:
                self.assertEqual((data[0], data[1] & 0x80), (0x80 | BINARY, 0x80))
                wide = {126: 2, 127: 8}.get(data[1] & 127, 0)
                size = int.from_bytes(data[2:2 + wide], "big") if wide else data[1] & 127
                keys.add(data[2 + wide:6 + wide])
                data = data[6 + wide + size:]
            self.assertEqual(len(keys), 1 if plain else 3)
            self.assertEqual(bytes(4) in keys, plain)

    def test_lengths_are_written_in_the_shortest_way(self):
        key = b"abcd"
        self.assertEqual(frame_head(2, 125, key), b"\x82\xfd" + key)
        self.assertEqual(frame_head(2, 126, key), b"\x82\xfe\x00\x7e" + key)
        self.assertEqual(frame_head(2, 65535, key), b"\x82\xfe\xff\xff" + key)
        self.assertEqual(frame_head(2, 65536, key), b"\x82\xff" + bytes(5) + b"\1\0\0" + key)


if __name__ == "__main__":
    unittest.main()
