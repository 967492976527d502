// blur: smooths a grey picture of 12 bits, as microscopes make them, with a Gaussian of 5 by 5 in
// two passes, and counts what is bright. Eight pixels at a time.
//
// Out: stdout  the number of bright pixels over all rounds

#include <stdint.h>
#include <stdio.h>

enum { W = 512, H = 512, ROUNDS = 2000, BRIGHT = 2048 };

// Eight pixels, wherever they begin.
typedef uint16_t Eight __attribute__((vector_size(16), aligned(2), may_alias));

static uint16_t picture[W * H], rows[W * H], smooth[W * H];

static Eight at(const uint16_t *from) { return *(const Eight *)from; }

// One pass, along the row or down the column. Sixteen times the largest value has 16 bits.
static void pass(uint16_t *to, const uint16_t *from, int step) {
    for (int i = 2 * W; i < W * H - 2 * W; i += 32) {
        for (int u = 0; u < 32; u += 8) {
            const uint16_t *p = from + i + u;
            Eight far = at(p - 2 * step) + at(p + 2 * step), near = at(p - step) + at(p + step);
            Eight middle = at(p);
            *(Eight *)(to + i + u) = (far + (near << 2) + (middle << 2) + (middle << 1)) >> 4;
        }
    }
}

static uint32_t bright(const uint16_t *from) {
    uint32_t count = 0;
    for (int y = 0; y < H; y++) {
        Eight sum = {0};
        for (int x = 0; x < W; x += 8) sum -= (Eight)(at(from + y * W + x) > BRIGHT);
        for (int lane = 0; lane < 8; lane++) count += sum[lane];
    }
    return count;
}

int main(void) {
    for (uint32_t i = 0; i < W * H; i++) picture[i] = (uint16_t)(i * 2654435761u >> 20);
    uint64_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pass(rows, picture, 1);
        pass(smooth, rows, W);
        count += bright(smooth);
        picture[round * 97] ^= (uint16_t)(count & 4095);
    }
    printf("%llu\n", (unsigned long long)count);
    return 0;
}
