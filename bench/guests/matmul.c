// matmul: multiplies matrices of 32-bit floats, with SIMD: blocks of 4 by 8 stay in registers.
//
// Out: stdout  the sum of all elements of the last product, as an integer

#include <stdio.h>

enum { N = 384, ROUNDS = 96 };

typedef float Four __attribute__((vector_size(16)));

static float a[N * N], b[N * N], c[N * N];

static void multiply(void) {
    for (int i = 0; i < N; i += 4) {
        for (int j = 0; j < N; j += 8) {
            Four sum[4][2] = {0};
            for (int k = 0; k < N; k++) {
                Four left = *(Four *)(b + k * N + j), right = *(Four *)(b + k * N + j + 4);
                for (int r = 0; r < 4; r++) {
                    float x = a[(i + r) * N + k];
                    Four all = {x, x, x, x};
                    sum[r][0] += all * left;
                    sum[r][1] += all * right;
                }
            }
            for (int r = 0; r < 4; r++) {
                *(Four *)(c + (i + r) * N + j) = sum[r][0];
                *(Four *)(c + (i + r) * N + j + 4) = sum[r][1];
            }
        }
    }
}

int main(void) {
    for (int i = 0; i < N * N; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
    }
    double total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        multiply();
        a[round] += 1;
    }
    for (int i = 0; i < N * N; i++) total += c[i];
    printf("%lld\n", (long long)total);
    return 0;
}
