// kmeans: the colours that a photograph consists of.
//
// Shard:   pixels, three bytes each: red, green, blue
// Round:   for each centre four f64: a sum of reds, of greens, of blues, and how many there were.
//          A centre is their mean; a colour by itself is the sum of one.
// Answer:  the same of the pixels that each centre is nearest to; their sum is the next round
// Metrics: inertia, the sum of the squared distances

#include "../medusa.h"

typedef struct {
    double colour[3], count;
} Centre;

// Colours of the centres; one that no pixel was near to becomes black.
static void mean(const Centre *from, size_t centres, double (*to)[3]) {
    for (size_t k = 0; k < centres; k++)
        for (int c = 0; c < 3; c++)
            to[k][c] = from[k].count > 0 ? from[k].colour[c] / from[k].count : 0;
}

static size_t nearest(const unsigned char *pixel, double (*centres)[3], size_t many, double *far) {
    size_t best = 0;
    for (size_t k = 0; k < many; k++) {
        double r = pixel[0] - centres[k][0], g = pixel[1] - centres[k][1];
        double b = pixel[2] - centres[k][2], distance = r * r + g * g + b * b;
        if (k == 0 || distance < *far) {
            *far = distance;
            best = k;
        }
    }
    return best;
}

int main(void) {
    enum { MOST = 256 };
    static Centre answer[MOST];
    static double centres[MOST][3];
    medusa_frame shard = {0}, round = {0};
    if (!medusa_read(&shard)) return 0;
    if (shard.length % 3) medusa_fail("a shard is pixels of three bytes");
    while (medusa_read(&round)) {
        size_t many = round.length / sizeof(Centre);
        if (!many || many > MOST || round.length % sizeof(Centre))
            medusa_fail("a round is 1 to 256 centres of four f64");
        mean((const Centre *)round.bytes, many, centres);
        memset(answer, 0, many * sizeof(Centre));
        double inertia = 0, far = 0;
        for (size_t at = 0; at < shard.length; at += 3) {
            Centre *to = &answer[nearest(shard.bytes + at, centres, many, &far)];
            for (int c = 0; c < 3; c++) to->colour[c] += shard.bytes[at + c];
            to->count += 1;
            inertia += far;
        }
        medusa_metric("inertia", inertia);
        medusa_answer(answer, many * sizeof(Centre));
    }
    return 0;
}
