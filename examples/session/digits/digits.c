// digits: softmax regression on handwritten digits.
//
// Shard:   rows of 64 f32, the pixels from 0 to 1, and one f32, the digit
// Round:   weights, 65 x 10 f64: for each pixel, and last for the bias, one of each digit
// Answer:  sum over the rows of the loss's gradient, 65 x 10 f64, and the number of rows
// Metrics: loss and accuracy, each the mean over the rows

#include <math.h>

#include "../medusa.h"

enum { PIXELS = 64, DIGITS = 10, WEIGHTS = (PIXELS + 1) * DIGITS };

typedef struct {
    float pixels[PIXELS], digit;
} Row;

// Turns scores into probabilities; gives the likeliest digit.
static int softmax(double *scores) {
    int best = 0;
    for (int d = 1; d < DIGITS; d++)
        if (scores[d] > scores[best]) best = d;
    double most = scores[best], sum = 0;
    for (int d = 0; d < DIGITS; d++) sum += scores[d] = exp(scores[d] - most);
    for (int d = 0; d < DIGITS; d++) scores[d] /= sum;
    return best;
}

int main(void) {
    medusa_frame shard = {0}, round = {0};
    if (!medusa_read(&shard)) return 0;
    const Row *rows = (const Row *)shard.bytes;
    size_t count = shard.length / sizeof(Row);
    if (!count || shard.length % sizeof(Row)) medusa_fail("a shard is rows of 65 f32");

    while (medusa_read(&round)) {
        if (round.length != WEIGHTS * sizeof(double)) medusa_fail("a round is 65 x 10 f64");
        const double *weights = (const double *)round.bytes;
        double answer[WEIGHTS + 1] = {0}, loss = 0, right = 0;
        for (size_t r = 0; r < count; r++) {
            const Row *row = &rows[r];
            int digit = (int)row->digit % DIGITS;
            double p[DIGITS];
            memcpy(p, weights + PIXELS * DIGITS, sizeof p);
            for (int i = 0; i < PIXELS; i++)
                for (int d = 0; d < DIGITS; d++) p[d] += row->pixels[i] * weights[i * DIGITS + d];
            right += softmax(p) == digit;
            loss -= log(p[digit]);
            p[digit] -= 1;
            for (int i = 0; i <= PIXELS; i++)
                for (int d = 0; d < DIGITS; d++)
                    answer[i * DIGITS + d] += (i < PIXELS ? row->pixels[i] : 1) * p[d];
        }
        answer[WEIGHTS] = (double)count;
        medusa_metric("loss", loss / (double)count);
        medusa_metric("accuracy", right / (double)count);
        medusa_answer(answer, sizeof answer);
    }
    return 0;
}
