// threshold: which pixels of a picture are brighter than a threshold that somebody moves.
//
// Shard:   a tile of the tile splitter, with an overlap of at least the largest cell and two pixels
// Round:   the threshold, one f64, in grey levels
// Answer:  for each pixel of the tile's core a byte: 1 where the mean of the 5 x 5 pixels around
//          it is above the threshold; row by row
// Metrics: cells, groups of at least 20 such pixels whose first pixel lies in the core

#include "../medusa.h"

enum { NEAR = 2, SMALL = 20 };
static int w, h, x, y, cx, cy, cw, ch;

// Pixels in the group of this one, which are unmarked on the way: `list` has room for all.
static int group(unsigned char *marks, int *list, int start) {
    int found = 1;
    list[0] = start;
    marks[start] = 0;
    for (int at = 0; at < found; at++)
        for (int d = 0; d < 4; d++) {
            int px = list[at] % w + (d == 0) - (d == 1), py = list[at] / w + (d == 2) - (d == 3);
            if (px < 0 || py < 0 || px >= w || py >= h || !marks[py * w + px]) continue;
            marks[py * w + px] = 0;
            list[found++] = py * w + px;
        }
    return found;
}

int main(void) {
    medusa_frame shard = {0}, round = {0};
    int grey = 0;
    if (!medusa_read(&shard)) return 0;
    const char *head = "P5\n# medusa tile x=%d y=%d core=%d,%d,%d,%d picture=%*dx%*d\n%d %d\n255%n";
    int read = sscanf((char *)shard.bytes, head, &x, &y, &cx, &cy, &cw, &ch, &w, &h, &grey);
    size_t pixels = (size_t)w * (size_t)h;
    if (read != 8 || !grey || shard.length != (size_t)grey + 1 + pixels)
        medusa_fail("a shard is a tile: split the picture by=tiles");
    int *sums = calloc(pixels, sizeof *sums), *list = malloc(pixels * sizeof *list);
    unsigned char *marks = malloc(pixels), *mask = malloc(pixels);
    if (!sums || !list || !marks || !mask) medusa_fail("out of memory: give more with --memory");
    for (int i = 0; i < w * h; i++)
        for (int v = -NEAR; v <= NEAR; v++)
            for (int u = -NEAR; u <= NEAR; u++) {
                int px = i % w + u, py = i / w + v; // beyond the border the nearest pixel
                px = px < 0 ? 0 : px >= w ? w - 1 : px, py = py < 0 ? 0 : py >= h ? h - 1 : py;
                sums[i] += shard.bytes[grey + 1 + py * w + px];
            }
    while (medusa_read(&round)) {
        double threshold, cells = 0;
        if (round.length != sizeof threshold) medusa_fail("a round is one f64");
        memcpy(&threshold, round.bytes, sizeof threshold);
        for (int i = 0; i < w * h; i++) marks[i] = sums[i] > threshold * 25;
        for (int i = 0; i < cw * ch; i++) mask[i] = marks[(cy - y + i / cw) * w + cx - x + i % cw];
        for (int i = 0; i < w * h; i++) {
            int u = i % w + x - cx, v = i / w + y - cy;
            if (marks[i] && group(marks, list, i) >= SMALL)
                cells += u >= 0 && u < cw && v >= 0 && v < ch;
        }
        medusa_metric("cells", cells);
        medusa_answer(mask, (size_t)cw * (size_t)ch);
    }
    return 0;
}
