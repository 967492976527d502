// pagerank: how important each page is, by the pages that link to it.
//
// Shard:  lines of numbers: a page, and the pages that it links to; each page has one line
// Round:  the rank of every page, f64
// Answer: what these pages give of the next ranks, f64; the sum of all answers is the next round
//
// A page passes 85 % of its rank on to those it links to, or to all where it links to none; of the
// rest each gets the same.

#include "../medusa.h"

#define DAMPING 0.85

int main(void) {
    medusa_frame shard = {0}, round = {0};
    if (!medusa_read(&shard)) return 0;
    // A number has at least a digit and what ends it, and each line is closed by a mark.
    long *numbers = malloc((shard.length + 2) * sizeof *numbers), most = 0;
    double *answer = NULL;
    size_t count = 0, pages = 0;
    if (!numbers) medusa_fail("out of memory: give the session more with --memory");
    for (size_t at = 0; at < shard.length; at++) {
        unsigned char c = shard.bytes[at];
        int goes_on = at && shard.bytes[at - 1] >= '0' && shard.bytes[at - 1] <= '9';
        if (c >= '0' && c <= '9') {
            if (!goes_on) numbers[count++] = 0;
            numbers[count - 1] = numbers[count - 1] * 10 + c - '0';
            if (numbers[count - 1] > 100000000) medusa_fail("a page is a number up to 100000000");
            if (numbers[count - 1] > most) most = numbers[count - 1];
        } else if (c == '\n') {
            if (count && numbers[count - 1] >= 0) numbers[count++] = -1;
        } else if (c != ' ') {
            medusa_fail("a shard is lines of numbers with a space between");
        }
    }
    if (count && numbers[count - 1] >= 0) numbers[count++] = -1;

    while (medusa_read(&round)) {
        const double *ranks = (const double *)round.bytes;
        if (round.length / sizeof *ranks != pages || !answer) {
            pages = round.length / sizeof *ranks;
            answer = realloc(answer, (pages + 1) * sizeof *answer);
        }
        if (!answer || !pages || (size_t)most >= pages || round.length % sizeof *ranks)
            medusa_fail("a round is a rank, f64, of every page from 0 on");
        memset(answer, 0, pages * sizeof *answer);
        for (size_t at = 0, end; at < count; at = end + 1) {
            for (end = at; numbers[end] >= 0; end++) {}
            long page = numbers[at];
            size_t links = end - at - 1;
            double share = DAMPING * ranks[page] / (double)(links ? links : pages);
            for (size_t i = at + 1; i < end; i++) answer[numbers[i]] += share;
            for (size_t i = 0; !links && i < pages; i++) answer[i] += share;
            answer[page] += (1 - DAMPING) / (double)pages;
        }
        medusa_answer(answer, pages * sizeof *answer);
    }
    return 0;
}
