// pi: counts random points that fall inside a quarter circle, for a range of seeds.
//
// In:  stdin       `first count`: the seeds first, first + 1, ...
//      --points N  points for each seed (100000 if not given)
// Out: stdout      `inside,N` and `total,N`; four times inside / total comes near pi
//
// A point depends on its seed and its number alone, and all arithmetic is on integers, so the sums
// are the same however the seeds are cut into ranges, and on every machine.

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The step and the mixing of splitmix64, a generator whose n-th number can be had directly.
static const uint64_t STEP = 0x9e3779b97f4a7c15;

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t inside(uint64_t seed, uint64_t points) {
    const uint64_t start = mix(seed + STEP);
    uint64_t n = 0;
    for (uint64_t i = 1; i <= points; i++) {
        uint64_t random = mix(start + i * STEP);
        uint64_t x = random >> 33, y = random << 32 >> 33;     // 31 bits each
        n += x * x + y * y < (uint64_t)1 << 62;
    }
    return n;
}

int main(int argc, char **argv) {
    uint64_t first, count, points = 100000, sum = 0;
    if (argc == 3 && !strcmp(argv[1], "--points")) points = strtoull(argv[2], NULL, 10);
    if ((argc != 1 && argc != 3) || points < 1 || points > 1000000000 ||
        scanf("%" SCNu64 " %" SCNu64, &first, &count) != 2 || count > 1000000000) {
        fputs("usage: echo FIRST COUNT | pi [--points 1..1000000000]\n", stderr);
        return 1;
    }
    for (uint64_t i = 0; i < count; i++) sum += inside(first + i, points);
    printf("inside,%" PRIu64 "\ntotal,%" PRIu64 "\n", sum, count * points);
    return fflush(stdout) ? 1 : 0;
}
