/* medusa.h: all that a guest of a session needs, in one file of C99 for wasm32-wasi.

   A guest reads its shard once, and then a round at a time; it gives one answer to each.

       #include "medusa.h"

       int main(void) {
           medusa_frame shard = {0}, round = {0};
           if (!medusa_read(&shard)) return 0;
           while (medusa_read(&round)) {
               medusa_metric("bytes", (double)round.length);
               medusa_answer(round.bytes, round.length);
           }
           return 0;
       }

   A frame is a length (u32, little endian) and so many bytes, on standard input and output. The
   only memory that is taken is a frame's, and it grows only when a longer one comes. */
#ifndef MEDUSA_H
#define MEDUSA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* What frames begin with that are no shard, round or answer; a letter follows. */
#define MEDUSA_MARK "\x89medusa"
#define MEDUSA_MARK_BYTES 7

/* Bytes that were read. Begins as {0}, and is given to medusa_read again and again: they are
   overwritten then. `bytes` can be read as any type, as it is aligned to eight, and as text, as a
   zero follows. */
typedef struct {
    unsigned char *bytes;
    size_t length;
    unsigned char *room; /* four bytes that align, four of the length, then `bytes` */
    size_t room_bytes;
} medusa_frame;

static struct {
    void *bytes;
    size_t length;
    int has_shard;
} medusa_state;

/* Ends the guest. The message is shown to whoever opened the session. */
static inline __attribute__((noreturn)) void medusa_fail(const char *message) {
    fprintf(stderr, "%s\n", message);
    exit(1);
}

/* What the guest remembers from one round to the next, if anything: a variable or an array that
   stays where it is. It is read and replaced when the session is saved and gone on with. */
static inline void medusa_keep(void *bytes, size_t length) {
    medusa_state.bytes = bytes;
    medusa_state.length = length;
}

static inline void medusa_write(struct iovec *parts, int count) {
    while (count > 0) {
        ssize_t went = writev(1, parts, count);
        if (went <= 0) exit(1); /* nobody listens any more */
        for (; count > 0 && (size_t)went >= parts->iov_len; parts++, count--)
            went -= (ssize_t)parts->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + went;
            parts->iov_len -= (size_t)went;
        }
    }
}

/* The answer of the round that was read last. */
static inline void medusa_answer(const void *bytes, size_t length) {
    uint32_t head = (uint32_t)length;
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
    medusa_write(parts, length ? 2 : 1);
}

/* A number of this round, to be shown; before its answer. The name has no space. */
static inline void medusa_metric(const char *name, double value) {
    char line[160] = MEDUSA_MARK "m";
    int length = snprintf(line + MEDUSA_MARK_BYTES + 1, sizeof line - MEDUSA_MARK_BYTES - 1,
                          "%.100s %.17g\n", name, value);
    medusa_answer(line, MEDUSA_MARK_BYTES + 1 + (size_t)length);
}

/* Reads on until `wanted` bytes behind the first four are there; 0 at the end of the input. One
   read gives the whole frame, as a rule, and never bytes of the next one. */
static inline int medusa_fill(medusa_frame *frame, size_t *have, size_t wanted) {
    if (frame->room_bytes < wanted + 5) {
        frame->room_bytes = wanted + 5 < 4096 ? 4096 : wanted + 5;
        frame->room = realloc(frame->room, frame->room_bytes);
        if (!frame->room) medusa_fail("out of memory: give the session more with --memory");
    }
    while (*have < wanted) {
        ssize_t came = read(0, frame->room + 4 + *have, frame->room_bytes - 5 - *have);
        if (came <= 0) return 0;
        *have += (size_t)came;
    }
    return 1;
}

/* Reads the next frame: the shard at first, then a round each time. 0 when there is no more: the
   session is over, and the guest ends with status 0. */
static inline int medusa_read(medusa_frame *frame) {
    for (;;) {
        size_t have = 0;
        uint32_t length;
        if (!medusa_fill(frame, &have, 4)) return 0;
        memcpy(&length, frame->room + 4, 4);
        if (!medusa_fill(frame, &have, 4 + (size_t)length)) return 0;
        frame->bytes = frame->room + 8;
        frame->bytes[length] = 0;
        frame->length = length;
        /* A shard is a file of somebody's and may begin with anything. */
        int is_marked = medusa_state.has_shard && length > MEDUSA_MARK_BYTES &&
                        !memcmp(frame->bytes, MEDUSA_MARK, MEDUSA_MARK_BYTES);
        medusa_state.has_shard = 1;
        if (!is_marked) return 1;
        unsigned char *state = frame->bytes + MEDUSA_MARK_BYTES + 1;
        if (frame->bytes[MEDUSA_MARK_BYTES] == 's')
            medusa_answer(medusa_state.bytes, medusa_state.length);
        else if (frame->bytes[MEDUSA_MARK_BYTES] == 'l' &&
                 length - MEDUSA_MARK_BYTES - 1 == medusa_state.length && medusa_state.length)
            memcpy(medusa_state.bytes, state, medusa_state.length);
    }
}

#endif
