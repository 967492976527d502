/* A guest of a session: its shard is 64-bit numbers, and it answers each round of as many with half
   of each and its own added. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM (2u << 20)

static int all(void *to, size_t bytes) {
    for (size_t have = 0; have < bytes;) {
        ssize_t came = read(0, (char *)to + have, bytes - have);
        if (came <= 0) return 0;
        have += (size_t)came;
    }
    return 1;
}

int main(void) {
    uint32_t shard_bytes, *bytes;
    double *shard = malloc(ROOM);
    char *frame = malloc(ROOM + 8);
    if (!shard || !frame || !all(&shard_bytes, 4) || shard_bytes > ROOM) return 1;
    if (!all(shard, shard_bytes)) return 1;
    /* The numbers are aligned, and the length stands right before them. */
    bytes = (uint32_t *)(void *)(frame + 4);
    double *values = (double *)(void *)(frame + 8);
    while (all(bytes, 4) && *bytes <= shard_bytes && all(values, *bytes)) {
        for (uint32_t i = 0; i < *bytes / 8; i++) values[i] = values[i] * 0.5 + shard[i];
        for (size_t gone = 0; gone < *bytes + 4u;) {
            ssize_t went = write(1, frame + 4 + gone, *bytes + 4u - gone);
            if (went <= 0) return 2;
            gone += (size_t)went;
        }
    }
    return 0;
}
