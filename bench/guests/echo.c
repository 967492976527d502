/* Gives back each frame of standard input: its length, four bytes, little endian, and so many
   bytes. The same source is the live guest and the native program that it is compared with. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM ((4u << 20) + 4)

int main(void) {
    char *frame = malloc(ROOM);
    size_t have = 0;
    if (!frame) return 1;
    for (;;) {
        uint32_t bytes;
        while (have < 4 || (memcpy(&bytes, frame, 4), have < bytes + 4u)) {
            if (have >= 4 && bytes + 4u > ROOM) return 2;
            ssize_t came = read(0, frame + have, ROOM - have);
            if (came <= 0) return 0;
            have += (size_t)came;
        }
        for (size_t gone = 0; gone < bytes + 4u;) {
            ssize_t went = write(1, frame + gone, bytes + 4u - gone);
            if (went <= 0) return 3;
            gone += (size_t)went;
        }
        have -= bytes + 4u;
        memmove(frame, frame + bytes + 4u, have);
    }
}
