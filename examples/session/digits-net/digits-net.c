// digits-net: a network with one hidden layer that learns handwritten digits.
//
// Shard:   rows of 64 f32, the pixels from 0 to 1, and one f32, the digit
// Round:   weights, 65 x 16 and then 17 x 10 f64; the last row of each is the bias
// Answer:  sum over the rows of the loss's gradient, as many f64, and the number of rows
// Metrics: loss and accuracy, each the mean over the rows

#include <math.h>

#include "../medusa.h"

enum { PIXELS = 64, HIDDEN = 16, DIGITS = 10 };
typedef struct { float pixels[PIXELS], digit; } Row;
typedef struct { double in[PIXELS + 1][HIDDEN], out[HIDDEN + 1][DIGITS]; } Net;

// One row forwards and backwards: adds its gradient and its loss; 1 if it is recognised.
static int learn(const Row *row, const Net *net, Net *gradient, double *loss) {
    double hidden[HIDDEN], p[DIGITS], sum = 0, back;
    int best = 0, digit = (int)row->digit % DIGITS;
    memcpy(hidden, net->in[PIXELS], sizeof hidden);
    for (int i = 0; i < PIXELS; i++)
        for (int h = 0; h < HIDDEN; h++) hidden[h] += row->pixels[i] * net->in[i][h];
    for (int h = 0; h < HIDDEN; h++) hidden[h] = tanh(hidden[h]);
    memcpy(p, net->out[HIDDEN], sizeof p);
    for (int h = 0; h < HIDDEN; h++)
        for (int d = 0; d < DIGITS; d++) p[d] += hidden[h] * net->out[h][d];
    for (int d = 1; d < DIGITS; d++)
        if (p[d] > p[best]) best = d;
    double most = p[best];
    for (int d = 0; d < DIGITS; d++) sum += p[d] = exp(p[d] - most);
    for (int d = 0; d < DIGITS; d++) p[d] /= sum;
    *loss -= log(p[digit]);
    p[digit] -= 1;
    for (int d = 0; d < DIGITS; d++) gradient->out[HIDDEN][d] += p[d];
    for (int h = 0; h < HIDDEN; h++) {
        back = 0;
        for (int d = 0; d < DIGITS; d++) {
            gradient->out[h][d] += hidden[h] * p[d];
            back += net->out[h][d] * p[d];
        }
        back *= 1 - hidden[h] * hidden[h];
        for (int i = 0; i < PIXELS; i++) gradient->in[i][h] += row->pixels[i] * back;
        gradient->in[PIXELS][h] += back;
    }
    return best == digit;
}

int main(void) {
    static struct { Net gradient; double count; } answer;
    medusa_frame shard = {0}, round = {0};
    if (!medusa_read(&shard)) return 0;
    size_t count = shard.length / sizeof(Row);
    if (!count || shard.length % sizeof(Row)) medusa_fail("a shard is rows of 65 f32");
    while (medusa_read(&round)) {
        if (round.length != sizeof(Net)) medusa_fail("a round is 65 x 16 and 17 x 10 f64");
        double loss = 0, right = 0;
        memset(&answer, 0, sizeof answer);
        for (size_t r = 0; r < count; r++)
            right += learn((const Row *)shard.bytes + r, (const Net *)round.bytes,
                           &answer.gradient, &loss);
        answer.count = (double)count;
        medusa_metric("loss", loss / (double)count);
        medusa_metric("accuracy", right / (double)count);
        medusa_answer(&answer, sizeof answer);
    }
    return 0;
}
